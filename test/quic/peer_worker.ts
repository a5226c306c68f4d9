/** The peer of tests whose own thread stands still: it sends on a thread of its own. */
import { createHash } from "node:crypto";
import { parentPort, workerData } from "node:worker_threads";
import { type Connection, connect } from "millrace";

export interface PeerTask {
  readonly url: string;
  readonly ca: string;
  /** So many connections send so many messages of so many bytes each. */
  readonly connections: number;
  readonly messages: number;
  readonly messageBytes: number;
  /** So many more are opened and closed, once the first ones can send no more for now. */
  readonly churn: number;
  /** One word: becomes 1, and is notified, when these have closed, or, where there are none, all is sent. */
  readonly done: SharedArrayBuffer;
}

/** What connection i sent, hashed. */
export type PeerHashes = readonly string[];

const task = workerData as PeerTask;
const options = { tls: { ca: task.ca }, highWaterMarkBytes: 256 * 1024, idleTimeoutMs: 60_000 };

/** Sends messages that begin with {u32 connection, u32 sequence}, as fast as they are taken. */
class Sender {
  readonly hash = createHash("sha256");
  readonly finished: Promise<void>;
  readonly #message: Uint8Array;
  readonly #words: Uint32Array;
  #sent = 0;
  #finish!: () => void;

  constructor(index: number) {
    const buffer = new ArrayBuffer(task.messageBytes);
    this.#message = new Uint8Array(buffer);
    this.#words = new Uint32Array(buffer, 0, 2);
    this.#words[0] = index;
    this.finished = new Promise((resolve) => {
      this.#finish = resolve;
    });
  }

  /** To be called at every drain. */
  pump(connection: Connection): void {
    while (this.#sent < task.messages) {
      this.#words[1] = this.#sent;
      this.#message.fill((this.#sent * 31) & 0xff, 8);
      const result = connection.send(this.#message);
      if (result === "dropped") return;
      this.hash.update(this.#message);
      this.#sent += 1;
      if (result === "blocked") return;
    }
    this.#finish();
  }
}

async function churn(): Promise<void> {
  let left = task.churn;
  const work = async () => {
    while (left > 0) {
      left -= 1;
      const connection = await connect(task.url, {}, options);
      await connection.close({ graceful: false });
    }
  };
  await Promise.all(Array.from({ length: 8 }, work));
}

const senders = Array.from({ length: task.connections }, (_, index) => new Sender(index));
const connections = await Promise.all(
  senders.map((sender) => connect(task.url, { drain: (connection) => sender.pump(connection) }, options)),
);
connections.forEach((connection, index) => {
  senders[index]!.pump(connection);
});
if (task.churn > 0) await churn();
else await Promise.all(senders.map((sender) => sender.finished));
const done = new Int32Array(task.done);
Atomics.store(done, 0, 1);
Atomics.notify(done, 0);
await Promise.all(senders.map((sender) => sender.finished));
parentPort!.postMessage(senders.map((sender): string => sender.hash.digest("hex")) satisfies PeerHashes);
await Promise.all(connections.map((connection) => connection.close()));
