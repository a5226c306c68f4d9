/** QUIC frames written and read by hand (RFC 9000 section 19). */
import { readVarint, varint } from "./quic_packet.js";

export const FrameType = {
  padding: 0x00,
  ping: 0x01,
  ack: 0x02,
  resetStream: 0x04,
  stopSending: 0x05,
  crypto: 0x06,
  newToken: 0x07,
  stream: 0x08,
  maxData: 0x10,
  maxStreamData: 0x11,
  maxStreamsBidi: 0x12,
  maxStreamsUni: 0x13,
  newConnectionId: 0x18,
  retireConnectionId: 0x19,
  pathChallenge: 0x1a,
  pathResponse: 0x1b,
  connectionClose: 0x1c,
  applicationClose: 0x1d,
  handshakeDone: 0x1e,
} as const;

/** A frame as read: its type, its numbers in order, and the bytes it carries. */
export interface ReadFrame {
  readonly type: number;
  readonly numbers: readonly bigint[];
  readonly bytes: Buffer;
}

/** A frame of a type and numbers, each a varint, and then bytes as they are. */
export function frame(type: number, numbers: readonly (number | bigint)[] = [], bytes?: Uint8Array): Buffer {
  return Buffer.concat([varint(type), ...numbers.map(varint), bytes ?? Buffer.alloc(0)]);
}

export function cryptoFrame(offset: number, bytes: Uint8Array): Buffer {
  return frame(FrameType.crypto, [offset, bytes.length], bytes);
}

/** Bytes of a stream, with offset and length. */
export function streamFrame(
  id: number | bigint,
  offset: number | bigint,
  bytes: Uint8Array,
  { fin = false } = {},
): Buffer {
  return frame(FrameType.stream | 0x06 | (fin ? 1 : 0), [id, offset, bytes.length], bytes);
}

/** Acknowledges packet numbers, which come in ascending order, at most the 32 highest ranges of them. */
export function ackFrame(numbers: readonly number[]): Buffer {
  const ranges: [from: number, to: number][] = [];
  for (const number of numbers) {
    const last = ranges.at(-1);
    if (last !== undefined && last[1] + 1 === number) last[1] = number;
    else ranges.push([number, number]);
  }
  const [newest, ...older] = ranges.slice(-32).reverse();
  const fields = [newest![1], 0, older.length, newest![1] - newest![0]];
  let above = newest![0];
  for (const [from, to] of older) {
    fields.push(above - to - 2, to - from);
    above = from;
  }
  return frame(FrameType.ack, fields);
}

/** How many numbers follow the type, and which of them is the length of bytes at the end. */
const shapes: Readonly<Record<number, readonly [numbers: number, length?: number]>> = {
  [FrameType.ping]: [0],
  [FrameType.resetStream]: [3],
  [FrameType.stopSending]: [2],
  [FrameType.crypto]: [2, 1],
  [FrameType.newToken]: [1, 0],
  [FrameType.maxData]: [1],
  [FrameType.maxStreamData]: [2],
  [FrameType.maxStreamsBidi]: [1],
  [FrameType.maxStreamsUni]: [1],
  20: [1],
  21: [2],
  22: [1],
  23: [1],
  [FrameType.retireConnectionId]: [1],
  [FrameType.connectionClose]: [3, 2],
  [FrameType.applicationClose]: [2, 1],
  [FrameType.handshakeDone]: [0],
};

/** The frames of a packet, padding left out. Stops at a type that it does not know. */
export function readFrames(payload: Buffer): ReadFrame[] {
  const frames: ReadFrame[] = [];
  let at = 0;
  const numbers = (count: number): bigint[] => {
    const read: bigint[] = [];
    for (let i = 0; i < count; i++) {
      const [value, end] = readVarint(payload, at);
      read.push(value);
      at = end;
    }
    return read;
  };
  const take = (bytes: number): Buffer => {
    at += bytes;
    return payload.subarray(at - bytes, at);
  };
  while (at < payload.length) {
    const type = Number(numbers(1)[0]);
    if (type === FrameType.padding) continue;
    if (type === FrameType.ack || type === FrameType.ack + 1) {
      const head = numbers(4);
      const ranges = numbers(2 * Number(head[2]) + (type === FrameType.ack ? 0 : 3));
      frames.push({ type, numbers: [...head, ...ranges], bytes: Buffer.alloc(0) });
    } else if (type >= FrameType.stream && type < FrameType.maxData) {
      const id = numbers(1);
      const offset = (type & 4) !== 0 ? numbers(1) : [0n];
      const length = (type & 2) !== 0 ? Number(numbers(1)[0]) : payload.length - at;
      frames.push({ type, numbers: [...id, ...offset], bytes: take(length) });
    } else if (type === FrameType.newConnectionId) {
      const head = numbers(2);
      frames.push({ type, numbers: head, bytes: take(1 + payload[at]! + 16) });
    } else if (type === FrameType.pathChallenge || type === FrameType.pathResponse) {
      frames.push({ type, numbers: [], bytes: take(8) });
    } else {
      const shape = shapes[type];
      if (shape === undefined) return frames;
      const read = numbers(shape[0]);
      frames.push({
        type,
        numbers: read,
        bytes: shape[1] === undefined ? Buffer.alloc(0) : take(Number(read[shape[1]])),
      });
    }
  }
  return frames;
}
