// A client changes its address in the middle of a transfer, as a telephone does that leaves the house: the connection
// stays, and the server is told.
import { connect, listen } from "millrace/quic";
import { Authority } from "millrace/testing";

const authority = await Authority.make();
const alpn = ["roaming/1"];

const listener = await listen(
  { host: "127.0.0.1", port: 0, alpn, tls: await authority.issue() },
  {
    data(stream, chunk) {
      stream.write(chunk);
    },
    end(stream) {
      stream.end();
    },
    pathChange(_connection, { remote }) {
      console.log(`the server sees port ${remote.before.port} become ${remote.after.port}`);
    },
  },
);

const connection = await connect(`quic://127.0.0.1:${listener.address.port}`, {
  alpn,
  tls: { ca: authority.certificate },
});
const stream = connection.openStream();
stream.write(Buffer.from("before, "));
await connection.rebind();
stream.write(Buffer.from("and after"));
stream.end();

const answer = [];
for await (const chunks of stream) answer.push(...chunks);
console.log(`one stream over two addresses: ${Buffer.concat(answer)}`);

await connection.close();
await listener.close();
