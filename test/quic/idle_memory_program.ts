// Prints by how many bytes of memory each further connection grows the process, client and server together:
// node idle_memory_program.js with|without
import * as quic from "millrace/quic";
import { Loopback, rawAlpn } from "../kit/loopback.js";

const WARM_UP = 300;
const MEASURED = 1_000;

const loopback = await Loopback.make();
const listener = await quic.listen(
  {
    host: "127.0.0.1",
    port: 0,
    alpn: [rawAlpn],
    tls: loopback.identity,
    ...(process.argv[2] === "with" ? { resumption: { earlyData: true } } : undefined),
  },
  {},
);
const url = `quic://127.0.0.1:${listener.address.port}`;
const kept: quic.QuicConnection[] = [];

async function connect(count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    kept.push(await quic.connect(url, { alpn: [rawAlpn], tls: { ca: loopback.ca }, socket: "shared" }));
  }
}

await connect(WARM_UP);
const before = process.memoryUsage.rss();
await connect(MEASURED);
console.log(Math.round((process.memoryUsage.rss() - before) / MEASURED));
process.exit(0);
