/** With MILLRACE_POISON=1 in its environment: what becomes of a message's view, by who received it. */
import { parentPort, workerData } from "node:worker_threads";
import { connect, listen } from "millrace";

export interface PoisonTask {
  readonly certificate: string;
  readonly privateKey: string;
  readonly ca: string;
}

/** The first byte of what was sent as 1s: as seen by the handler, later through its view, and by an iterator. */
export interface PoisonFindings {
  readonly during: number;
  readonly after: number;
  readonly copied: number;
  readonly iterated: number;
}

const { certificate, privateKey, ca } = workerData as PoisonTask;
const ones = new Uint8Array(100).fill(1);
let view: Uint8Array | undefined;
let copy: Uint8Array | undefined;
let during = 0;

const listener = await listen(
  "quic://127.0.0.1:0",
  {
    message(connection, message) {
      if (view === undefined) {
        view = message;
        copy = message.slice();
        during = message[0]!;
      }
      connection.send(message);
    },
  },
  { tls: { certificate, privateKey } },
);
const connection = await connect(listener.urls[0]!, {}, { tls: { ca } });
const answers = connection[Symbol.asyncIterator]();
connection.send(ones);
const first = (await answers.next()).value!;
// A second round trip: by now the ring's room was given back.
connection.send(ones);
await answers.next();
const findings: PoisonFindings = { during, after: view![0]!, copied: copy![0]!, iterated: first[0]! };
await connection.close();
await listener.close();
parentPort!.postMessage(findings);
