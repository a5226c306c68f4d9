// Echoes raw streams through millrace/quic, without framing. Arguments: a certificate and its key.
import { listen } from "millrace/quic";
import { announce } from "./control.js";

const [certificate, privateKey] = process.argv.slice(2);
const listener = await listen(
  {
    host: "127.0.0.1",
    port: 0,
    alpn: ["millrace-echo"],
    tls: { certificate: certificate!, privateKey: privateKey! },
    idleTimeoutMs: 0,
  },
  {
    data(stream, chunk) {
      stream.write(chunk);
    },
    end(stream) {
      stream.end();
    },
  },
);
announce(listener.address.port);
