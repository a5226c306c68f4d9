// A QUIC server that sends every stream's bytes back, and a client that tries it.
import { connect, listen } from "millrace/quic";
import { Authority } from "millrace/testing";

const authority = await Authority.make();
const tls = await authority.issue();

const listener = await listen(
  { host: "localhost", port: 0, alpn: ["echo"], tls },
  {
    data(stream, chunk) {
      // The chunk is valid during this call only; write copies it. A peer that reads slowly is read slowly.
      if (stream.write(chunk) !== "sent") stream.pause();
    },
    drain(stream) {
      stream.resume();
    },
    end(stream) {
      stream.end();
    },
  },
);

const connection = await connect(`quic://localhost:${listener.address.port}`, {
  alpn: ["echo"],
  tls: { ca: authority.certificate },
});
const stream = connection.openStream();
stream.write(Buffer.from("hello, "));
stream.write(Buffer.from("QUIC"));
stream.end();

const answer = [];
for await (const chunks of stream) answer.push(...chunks);
console.log(`echo over ${connection.protocol}: ${Buffer.concat(answer)}`);

await connection.close();
await listener.close();
