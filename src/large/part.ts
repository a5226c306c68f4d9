import { entry, MetaReader, u32 } from "../delivery/meta.js";
import { FrameMalformedError } from "../errors.js";
import type { MetaEntry } from "../frame/frame.js";

/**
 * What one message of a large message is. Its `type` is the large message's number, minted by who sends it.
 * - `chunk`: the bytes at a place, counted from 0;
 * - `end`: there is none of this place or beyond, and all of them together have so many bytes;
 * - `abort`: there is no more, and what has come is worth nothing; the payload says why.
 */
export type Part =
  | { readonly kind: "chunk"; readonly index: number }
  | { readonly kind: "end"; readonly index: number; readonly totalBytes: number }
  | { readonly kind: "abort" };

/** What counts for each part beside its payload, in the window that both sides keep. */
export const partOverheadBytes = 256;

const chunkKey = "chunk";
const endKey = "end";
const abortKey = "abort";
const endBytes = 12;

/** What a message counts for in the window. */
export function costOfPart(payload: Uint8Array): number {
  return payload.length + partOverheadBytes;
}

/** The metadata that says what a message is. */
export function partMeta(part: Part): readonly MetaEntry[] {
  if (part.kind === "abort") return entry(abortKey, new Uint8Array(0));
  if (part.kind === "chunk") return entry(chunkKey, u32(part.index, "a chunk's place"));
  const end = new Uint8Array(endBytes);
  const view = new DataView(end.buffer);
  view.setUint32(0, part.index, true);
  view.setBigUint64(4, BigInt(part.totalBytes), true);
  return entry(endKey, end);
}

/** The opposite. @throws FrameMalformedError, ProtocolViolationError */
export function readPart(meta: readonly MetaEntry[]): Part {
  const reader = new MetaReader("large message", { flags: 0, meta });
  const index = reader.u32(chunkKey);
  const end = reader.bytes(endKey, endBytes, endBytes);
  const isAbort = reader.bytes(abortKey, 0, 0) !== undefined;
  if (Number(index !== undefined) + Number(end !== undefined) + Number(isAbort) !== 1) {
    throw new FrameMalformedError("a part of a large message is a chunk, the end, or the abort of it");
  }
  if (index !== undefined) return { kind: "chunk", index };
  if (end === undefined) return { kind: "abort" };
  const view = new DataView(end.buffer);
  const totalBytes = Number(view.getBigUint64(4, true));
  if (!Number.isSafeInteger(totalBytes)) throw new FrameMalformedError("a large message is not so large");
  return { kind: "end", index: view.getUint32(0, true), totalBytes };
}
