// One port, several threads: each worker listens on it, and a new connection goes to the thread with the fewest. All
// share one engine, so there is one socket, and encryption runs on no JavaScript thread at all.
import { once } from "node:events";
import { isMainThread, parentPort, threadId, Worker, workerData } from "node:worker_threads";
import { connect, listen } from "millrace/quic";
import { Authority } from "millrace/testing";

const alpn = ["threads/1"];

if (isMainThread) await main();
else await serve(workerData);

async function serve({ tls, port }) {
  const listener = await listen(
    { host: "localhost", port, alpn, tls, shared: true },
    {
      stream(stream) {
        stream.write(Buffer.from(`thread ${threadId}`));
        stream.end();
      },
    },
  );
  parentPort.postMessage(listener.address.port);
}

async function main() {
  const authority = await Authority.make();
  const tls = await authority.issue();
  const workers = [];
  let port = 0; // the first worker gets a free one, the others join it
  for (let index = 0; index < 3; index++) {
    const worker = new Worker(new URL(import.meta.url), { workerData: { tls, port } });
    workers.push(worker);
    [port] = await once(worker, "message");
  }

  const served = new Map();
  const connections = [];
  for (let index = 0; index < 9; index++) {
    const connection = await connect(`quic://localhost:${port}`, {
      alpn,
      tls: { ca: authority.certificate },
    });
    connections.push(connection);
    const stream = connection.openStream();
    stream.end();
    const answer = [];
    for await (const chunks of stream) answer.push(...chunks);
    const thread = Buffer.concat(answer).toString();
    served.set(thread, (served.get(thread) ?? 0) + 1);
  }
  console.log(`9 connections over ${served.size} threads: ${[...served.values()].join(", ")}`);

  await Promise.all(connections.map((connection) => connection.close()));
  await Promise.all(workers.map((worker) => worker.terminate()));
}
