import { ProtocolViolationError } from "../errors.js";
import { type BatchMessage, batchFlag, decodeBatch } from "./batch.js";
import { ignorableFlag } from "./codec.js";
import { codeOf, withoutCode } from "./compressed_payload.js";
import type { FrameContents } from "./frame.js";

/**
 * Undoes a compression.
 * @param maxBytes the largest result; what would be larger is refused before it is made.
 * @throws FrameTooLargeError, FrameMalformedError; ProtocolViolationError where this platform does not have it.
 */
export type Decompress = (payload: Uint8Array, compression: number, maxBytes: number) => Uint8Array;

/** Of a frame's flags, those that say nothing of its payload. */
const plainFlags = ignorableFlag;

/** Whether a payload is a message as it lies in its frame. */
export function isPlain(flags: number): boolean {
  return (flags & ~plainFlags) === 0;
}

/** Whether a payload is a batch: each message of it has a type of its own. */
export function isBatch(flags: number): boolean {
  return (flags & batchFlag) !== 0;
}

/**
 * The messages in a frame whose payload is compressed, or a batch, or both (a batch that was compressed).
 * @param maxBytes the largest payload, once it is decompressed.
 * @throws ProtocolViolationError for flags that are not known; FrameTooLargeError, FrameMalformedError
 */
export function openMessages(
  { payload, flags, type }: Pick<FrameContents, "payload" | "flags" | "type">,
  maxBytes: number,
  decompress: Decompress,
): readonly BatchMessage[] {
  const left = withoutCode(flags);
  checkFlags(left);
  const code = codeOf(flags);
  const opened = code === 0 ? payload : decompress(payload, code, maxBytes);
  return isBatch(left) ? decodeBatch(opened) : [{ type, payload: opened }];
}

/**
 * The messages of a batch that is not compressed.
 * @throws ProtocolViolationError for flags that are not known; FrameMalformedError
 */
export function openBatch({
  payload,
  flags,
}: Pick<FrameContents, "payload" | "flags">): readonly BatchMessage[] {
  checkFlags(flags);
  return decodeBatch(payload);
}

/** @throws ProtocolViolationError for flags that say of a payload what only those of messages may be, or none. */
export function checkPlain(flags: number): void {
  checkFlags(flags, plainFlags);
}

/** @throws ProtocolViolationError for flags that say of a payload what is not known. */
function checkFlags(flags: number, known: number = plainFlags | batchFlag): void {
  const unknown = flags & ~known;
  if (unknown !== 0) throw new ProtocolViolationError(`flags 0x${unknown.toString(16)} are not known here`);
}
