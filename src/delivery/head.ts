import { type FrameHeader, hotHeadBytes, sizePrefixBytes, writeHotHead } from "../frame/codec.js";

/**
 * The heads of what a session sends: one that is written again and again, and how one that is written already gets the
 * place in its lane that it has only when it goes out.
 */

const blank: FrameHeader = { kind: 0, flags: 0, channel: 0, type: 0, seq: 0, ref: 0 };
const head = new Uint8Array(hotHeadBytes);
const words = new Int32Array(head.buffer);
writeHotHead(new DataView(head.buffer), 0, blank, 0);

/** Where these are in a hot frame, in words; see `src/frame/codec.ts`. */
const sizeWord = 0;
const kindWord = 6;
const typeWord = 7;
const seqWord = 8;
const refWord = 9;
const lengthWord = 11;

/**
 * The head of a hot frame without flags, by words, since that is a third of the time of writing it by `DataView`.
 * @returns bytes that are valid until the next call; whoever calls may call again only when they were copied.
 */
export function hotHead(
  kind: number,
  lane: number,
  type: number,
  seq: number,
  ref: number,
  payloadBytes: number,
): Uint8Array {
  words[sizeWord] = hotHeadBytes - sizePrefixBytes + payloadBytes;
  words[kindWord] = kind | (lane << 16);
  words[typeWord] = type;
  words[seqWord] = seq;
  words[refWord] = ref;
  words[lengthWord] = payloadBytes;
  return head;
}

/** The words of what {@link hotHead} returns. */
export const hotWords: Int32Array = words;

const channelOffset = 2;
const seqOffset = 8;
const refOffset = 12;

/** Says in a whole frame that this side has encoded, hot or not, where it is in which lane. */
export function placeFrame(frame: Uint8Array, lane: number, seq: number, ref: number): void {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  const table = sizePrefixBytes + view.getUint32(sizePrefixBytes, true);
  const vtable = table - view.getInt32(table, true);
  const header = table + view.getUint16(vtable + 4, true);
  view.setUint16(header + channelOffset, lane, true);
  view.setUint32(header + seqOffset, seq, true);
  view.setUint32(header + refOffset, ref, true);
}
