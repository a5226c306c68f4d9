/** Sends datagrams by hand, as fast as it can, on a thread of its own. */
import { workerData } from "node:worker_threads";
import { HandClient } from "../kit/hand_client.js";
import { FrameType, frame } from "../kit/quic_frame.js";

export interface DatagramFlood {
  readonly port: number;
  readonly alpn: string;
  /** Two words: 1, and notified, when all are sent; and how many. */
  readonly done: SharedArrayBuffer;
}

const { port, alpn, done } = workerData as DatagramFlood;
const words = new Int32Array(done);
const packets = 4_000;
const perPacket = 60;
const datagram = frame(0x31, [16], new Uint8Array(16));
const client = await HandClient.open(port, { alpn });
for (let i = 0; i < packets; i++) await client.send(...Array<Buffer>(perPacket).fill(datagram));
Atomics.store(words, 1, packets * perPacket);
Atomics.store(words, 0, 1);
Atomics.notify(words, 0);
await client.send(frame(FrameType.applicationClose, [0, 0]));
await client.close();
