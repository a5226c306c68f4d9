import { loadI32, sizePrefixBytes } from "./codec.js";

/**
 * Reads tables of frames that have passed a verifier, and so are not looked at again: only where their fields are. As
 * little of FlatBuffers' own accessors as a frame needs; all else that they bring with them every page would load. A
 * table is where it begins in its frame. Nothing is made but what is asked for: an object for each table, or a DataView,
 * would cost more than the reads.
 * @see schemas/frame.fbs; verifier.ts, whose slots these are
 */

/** No field lies at the start of a frame. */
const absent = 0;

/** The table that a whole frame is, its size prefix included. */
export function rootTable(frame: Uint8Array): number {
  return follow(frame, sizePrefixBytes);
}

/** Where a field lies, 0 where it is absent. */
export function fieldAt(frame: Uint8Array, table: number, slot: number): number {
  const vtable = table - loadI32(frame, table);
  const entry = 4 + 2 * slot;
  if (entry >= loadU16(frame, vtable)) return absent;
  const offset = loadU16(frame, vtable + entry);
  return offset === absent ? absent : table + offset;
}

/** A vector of bytes, or text without its last 0, where it lies. */
export function bytesOf(frame: Uint8Array, table: number, slot: number): Uint8Array | undefined {
  const at = vectorAt(frame, table, slot);
  if (at === absent) return undefined;
  return new Uint8Array(frame.buffer, frame.byteOffset + at + 4, loadI32(frame, at));
}

/** How long a vector is, 0 where it is absent. */
export function lengthOf(frame: Uint8Array, table: number, slot: number): number {
  const at = vectorAt(frame, table, slot);
  return at === absent ? 0 : loadI32(frame, at);
}

/** One of the tables of a vector that is there. */
export function tableAt(frame: Uint8Array, table: number, slot: number, index: number): number {
  return follow(frame, vectorAt(frame, table, slot) + 4 + 4 * index);
}

function vectorAt(frame: Uint8Array, table: number, slot: number): number {
  const field = fieldAt(frame, table, slot);
  return field === absent ? absent : follow(frame, field);
}

/** A frame is shorter than 2^31 bytes, so what has been verified has no sign. */
function follow(frame: Uint8Array, at: number): number {
  return at + loadI32(frame, at);
}

function loadU16(frame: Uint8Array, at: number): number {
  return frame[at]! | (frame[at + 1]! << 8);
}
