// Does what bench/native/publish.h says, through millrace/quic. Arguments: a certificate and its key, and how it
// publishes: "publish" is one call for all streams, "loop" a write for each.
import { listen, publish, type QuicStream } from "millrace/quic";
import { announce } from "./control.js";

const publishByte = "p".charCodeAt(0);
const publication = new Uint8Array(1024).fill(publishByte);
const subscribers: QuicStream[] = [];

const [certificate, privateKey, how] = process.argv.slice(2);
const publishToAll =
  how === "publish"
    ? () => publish(subscribers, publication)
    : () => {
        for (const subscriber of subscribers) subscriber.write(publication);
      };
const listener = await listen(
  {
    host: "127.0.0.1",
    port: 0,
    alpn: ["millrace-publish"],
    tls: { certificate: certificate!, privateKey: privateKey! },
    idleTimeoutMs: 0,
    disconnectTimeoutMs: 120_000,
    peerBidiStreams: 1,
    streamWindowBytes: 16 * 1024,
  },
  {
    data(stream, chunk) {
      if (chunk[0] === publishByte) publishToAll();
      else {
        subscribers.push(stream);
        stream.write(chunk);
      }
    },
  },
);
announce(listener.address.port);
