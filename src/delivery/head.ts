import { sizePrefixBytes } from "../frame/codec.js";

/** Where these are in a frame's header. */
const channelOffset = 2;
const seqOffset = 8;
const refOffset = 12;

/** Of a whole frame that this side has encoded. */
export function kindOf(frame: Uint8Array): number {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  return view.getUint8(headerAt(view));
}

/** Says in a whole frame that this side has encoded, hot or not, where it is in which lane. */
export function placeFrame(frame: Uint8Array, lane: number, seq: number, ref: number): void {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  const header = headerAt(view);
  view.setUint16(header + channelOffset, lane, true);
  view.setUint32(header + seqOffset, seq, true);
  view.setUint32(header + refOffset, ref, true);
}

function headerAt(view: DataView): number {
  const table = sizePrefixBytes + view.getUint32(sizePrefixBytes, true);
  const vtable = table - view.getInt32(table, true);
  return table + view.getUint16(vtable + 4, true);
}
