// A file over one stream, with progress: node file_transfer.js [FILE]. Node's own streams do the reading, the writing
// and the waiting: toDuplex() carries back-pressure from the disk of one side to the disk of the other.
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { connect, listen } from "millrace/quic";
import { Authority } from "millrace/testing";

const file = process.argv[2] ?? process.execPath;
const { size } = await stat(file);
const authority = await Authority.make();

/** Hashes what is written to it; a server that keeps files would write to one here. */
function hashing() {
  const hash = createHash("sha256");
  const sink = new Writable({
    write(chunk, _encoding, done) {
      hash.update(chunk);
      done();
    },
  });
  return { sink, digest: () => hash.digest("hex") };
}

const received = Promise.withResolvers?.() ?? deferred();
const listener = await listen(
  { host: "localhost", port: 0, alpn: ["file/1"], tls: await authority.issue() },
  {
    async stream(stream) {
      const { sink, digest } = hashing();
      await pipeline(stream.toDuplex(), sink);
      received.resolve(digest());
    },
  },
);

const connection = await connect(`quic://localhost:${listener.address.port}`, {
  alpn: ["file/1"],
  tls: { ca: authority.certificate },
});
const stream = connection.openStream({ direction: "unidirectional" });
const own = createHash("sha256");
let shown = 0;

await pipeline(
  createReadStream(file, { highWaterMark: 256 * 1024 }),
  async function* (chunks) {
    let bytes = 0;
    for await (const chunk of chunks) {
      own.update(chunk);
      bytes += chunk.length;
      const percent = Math.floor((100 * bytes) / size);
      if (percent >= shown + 10 || bytes === size) {
        shown = percent;
        console.log(`${String(percent).padStart(3)} % of ${size} bytes`);
      }
      yield chunk;
    }
  },
  stream.toDuplex(),
);

console.log(
  (await received.promise) === own.digest("hex") ? "the file arrived whole" : "the file is damaged",
);
await connection.close();
await listener.close();

/** Promise.withResolvers for Node.js 20. */
function deferred() {
  let resolve;
  const promise = new Promise((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}
