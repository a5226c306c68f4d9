/** Sends control frames by hand, as fast as it can, on a thread of its own, until it is closed. */
import { randomBytes } from "node:crypto";
import { parentPort, workerData } from "node:worker_threads";
import { HandClient } from "../kit/hand_client.js";
import { FrameType, frame, streamFrame } from "../kit/quic_frame.js";

export interface ControlFlood {
  readonly port: number;
  readonly alpn: string;
  /** Its word of these says how many packets it has sent. */
  readonly counts: SharedArrayBuffer;
  readonly word: number;
}

/** What came of it. */
export interface ControlFloodEnd {
  readonly sent: number;
  readonly answered: number;
  readonly closed: boolean;
}

const { port, alpn, counts, word } = workerData as ControlFlood;
const words = new Int32Array(counts);
const client = await HandClient.open(port, { alpn });
await client.send(streamFrame(0, 0, Buffer.from("x")));
const before = client.datagramsReceived;
/** Each asks for an answer, or for work at least, and none carries data. */
const kinds: readonly ((n: number) => Buffer)[] = [
  () => frame(FrameType.ping),
  () => frame(FrameType.pathChallenge, [], randomBytes(8)),
  (n) => frame(FrameType.maxData, [(1 << 25) + n]),
  (n) => frame(FrameType.maxStreamsBidi, [1_000 + n]),
  (n) => frame(FrameType.maxStreamData, [0, (1 << 20) + n]),
  () => streamFrame(0, 1, Buffer.alloc(0)),
];
let sent = 0;
for (; client.closed === undefined; sent++) {
  await client.send(...kinds.map((make) => make(sent)));
  Atomics.store(words, word, sent + 1);
  if (sent % 64 === 0) await new Promise((resolve) => setImmediate(resolve)); // answers are heard
}
const end: ControlFloodEnd = {
  sent,
  answered: client.datagramsReceived - before,
  closed: client.closed !== undefined,
};
parentPort!.postMessage(end);
await client.close();
