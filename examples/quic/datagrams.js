// Positions of a game: only the newest counts, so a lost one is not sent again (RFC 9221).
import { connect, listen } from "millrace/quic";
import { Authority } from "millrace/testing";

const authority = await Authority.make();
const alpn = ["positions/1"];

const listener = await listen(
  { host: "localhost", port: 0, alpn, tls: await authority.issue() },
  {
    datagram(connection, datagram) {
      connection.sendDatagram(datagram);
    },
  },
);

const outcomes = new Map();
const connection = await connect(
  `quic://localhost:${listener.address.port}`,
  { alpn, tls: { ca: authority.certificate } },
  {
    // What became of each datagram that was sent with a tag.
    datagramOutcome(_connection, tag, outcome) {
      outcomes.set(tag, outcome);
    },
  },
);
console.log(`a datagram takes up to ${connection.maxDatagramBytes} bytes here`);

const positions = connection.datagrams({ maxQueued: 64 });
for (let tag = 1; tag <= 10; tag++) {
  connection.sendDatagram(new Uint8Array(Float64Array.of(tag, tag / 2).buffer), { tag });
}

// The newest may be the one that is lost, so nobody waits for it without an end.
setTimeout(() => connection.close(), 2_000).unref();
for await (const datagram of positions) {
  const [x, y] = new Float64Array(datagram.slice().buffer);
  if (x < 10) continue;
  console.log(`the newest position came back: ${x}, ${y}`);
  break;
}
console.log(
  `acknowledged: ${[...outcomes.values()].filter((outcome) => outcome === "acknowledged").length} of 10`,
);

await connection.close();
await listener.close();
