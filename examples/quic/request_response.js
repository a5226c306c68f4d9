// One stream a request: the client ends its side after the request, the server after the response. Requests run side
// by side, and none waits for another's lost packet.
import { connect, listen } from "millrace/quic";
import { Authority } from "millrace/testing";

const authority = await Authority.make();

const listener = await listen(
  { host: "localhost", port: 0, alpn: ["square/1"], tls: await authority.issue() },
  {
    async stream(stream) {
      const request = JSON.parse(await text(stream));
      stream.write(Buffer.from(JSON.stringify({ square: request.number ** 2 })));
      stream.end();
    },
  },
);

const connection = await connect(`quic://localhost:${listener.address.port}`, {
  alpn: ["square/1"],
  tls: { ca: authority.certificate },
});

/** Asks for a square, for at most two seconds: who waits for no answer any more tells the server to stop. */
async function square(number) {
  const stream = connection.openStream({ timeoutMs: 2_000 });
  const giveUp = setTimeout(() => stream.stopSending(), 2_000);
  stream.write(Buffer.from(JSON.stringify({ number })));
  stream.end();
  try {
    return JSON.parse(await text(stream)).square;
  } finally {
    clearTimeout(giveUp);
  }
}

/** Everything that a stream brings, as text. */
async function text(stream) {
  const chunks = [];
  for await (const arrived of stream) chunks.push(...arrived);
  return Buffer.concat(chunks).toString();
}

const numbers = Array.from({ length: 100 }, (_, index) => index);
const squares = await Promise.all(numbers.map(square));
console.log(`100 requests at once; the sum of the squares is ${squares.reduce((sum, n) => sum + n, 0)}`);

await connection.close();
await listener.close();
