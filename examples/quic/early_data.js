// 0-RTT: a client that was here before sends its request with its first packet. Only what may arrive twice without harm
// goes early: a stream that is opened as idempotent, and the server has the last word.
import { EventEmitter, once } from "node:events";
import { connect, listen } from "millrace/quic";
import { Authority } from "millrace/testing";

const authority = await Authority.make();
const alpn = ["weather/1"];

const listener = await listen(
  { host: "localhost", port: 0, alpn, tls: await authority.issue(), resumption: { earlyData: true } },
  {
    // Asked for each stream that came early. Telling the weather has no effect, so it need not wait for the handshake.
    earlyData() {
      return "accept";
    },
    async stream(stream) {
      stream.write(Buffer.from(`${await text(stream)}: rain${stream.early ? ", asked early" : ""}`));
      stream.end();
    },
  },
);

/** Everything that a stream brings, as text. */
async function text(stream) {
  const chunks = [];
  for await (const arrived of stream) chunks.push(...arrived);
  return Buffer.concat(chunks).toString();
}

// A client's tickets are kept in memory unless told otherwise, as here: where they outlive the process, so does the
// round trip that they save.
const arrivals = new EventEmitter();
const kept = new Map();
const store = {
  get: (server) => kept.get(server),
  delete: (server) => kept.delete(server),
  set(server, ticket) {
    kept.set(server, ticket);
    arrivals.emit("ticket");
  },
};

async function ask(town) {
  const connection = await connect(`quic://localhost:${listener.address.port}`, {
    alpn,
    tls: { ca: authority.certificate },
    resumption: { earlyData: true, store },
  });
  // Opened and written before anything is awaited: with a ticket, the connection has not sent its first packet yet.
  const stream = connection.openStream({ idempotent: true });
  stream.write(Buffer.from(town));
  stream.end();
  console.log(await text(stream));
  await connection.opened;
  console.log(
    `  resumed: ${connection.resumed}, early data accepted: ${connection.earlyDataAccepted ?? "none sent"}`,
  );
  return connection;
}

const ticket = once(arrivals, "ticket");
const first = await ask("Bergen");
await ticket;
await first.close();

const second = await ask("Quito");
await second.close();
await listener.close();
