import { FrameMalformedError, InvalidArgumentError } from "../errors.js";

/**
 * In a frame's flags: the payload is a batch, messages one after the other that share the frame's header but for
 * their type. Its layout, all little-endian, each message beginning at a multiple of 8:
 *
 * ```text
 * 0  payload length     u32
 * 4  type               u32, in place of the header's
 * 8  payload            then zeros up to a multiple of 8
 * ```
 *
 * @see docs/wire.md
 */
export const batchFlag = 0x08;

/** The most messages of one batch. */
export const maxBatchMessages = 1024;

const headBytes = 8;

/** One message of a batch. */
export interface BatchMessage {
  readonly type: number;
  readonly payload: Uint8Array;
}

/** @returns a payload for a frame with {@link batchFlag}. @throws InvalidArgumentError unless 1..1024 messages. */
export function encodeBatch(messages: readonly BatchMessage[]): Uint8Array {
  if (messages.length < 1 || messages.length > maxBatchMessages) {
    throw new InvalidArgumentError(`a batch has 1 to ${maxBatchMessages} messages, not ${messages.length}`);
  }
  const bytes = messages.reduce((sum, { payload }) => sum + headBytes + padded(payload.length), 0);
  const batch = new Uint8Array(bytes);
  const view = new DataView(batch.buffer);
  let at = 0;
  for (const { type, payload } of messages) {
    view.setUint32(at, payload.length, true);
    view.setUint32(at + 4, type, true);
    batch.set(payload, at + headBytes);
    at += headBytes + padded(payload.length);
  }
  return batch;
}

/**
 * @returns the messages, whose payloads are views of the batch.
 * @throws FrameMalformedError, before any is returned, where one of them is wrong.
 */
export function decodeBatch(batch: Uint8Array): BatchMessage[] {
  const view = new DataView(batch.buffer, batch.byteOffset, batch.byteLength);
  const messages: BatchMessage[] = [];
  let at = 0;
  while (at < batch.length) {
    if (messages.length === maxBatchMessages) throw new FrameMalformedError("a batch has too many messages");
    if (batch.length - at < headBytes) throw new FrameMalformedError("a batch ends inside a message's head");
    const length = view.getUint32(at, true);
    const type = view.getUint32(at + 4, true);
    at += headBytes;
    if (padded(length) > batch.length - at) throw new FrameMalformedError("a batch ends inside a message");
    messages.push({ type, payload: batch.subarray(at, at + length) });
    at += padded(length);
  }
  if (messages.length === 0) throw new FrameMalformedError("a batch has no message");
  return messages;
}

/** Up to 2^32 - 1 goes in: no bit operations. */
function padded(bytes: number): number {
  return Math.ceil(bytes / 8) * 8;
}
