import { FrameMalformedError, InvalidArgumentError } from "../errors.js";
import { cursorBytes } from "../frame/cursor_bytes.js";
import { show } from "../options/read.js";

/** A place in a topic's history: right after the message that has this sequence. */
export interface Cursor {
  /** The topic's life: drawn anew whenever it begins, so that one of before a restart is told apart. u32. */
  readonly epoch: number;
  /** 0, before the first message, to 2^53-1. */
  readonly sequence: number;
}

export { cursorBytes };

const two32 = 2 ** 32;

/**
 * A cursor as it is on the wire, all little-endian:
 *
 *     0        4               8              12
 *     | epoch  | sequence high | sequence low |
 *
 * @throws InvalidArgumentError where it is none.
 * @see docs/wire.md
 */
export function encodeCursor(cursor: Cursor): Uint8Array {
  checkCursor(cursor);
  const bytes = new Uint8Array(cursorBytes);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, cursor.epoch, true);
  view.setUint32(4, Math.floor(cursor.sequence / two32), true);
  view.setUint32(8, cursor.sequence % two32, true);
  return bytes;
}

/** @throws FrameMalformedError where it has another length, or a sequence above 2^53-1. */
export function decodeCursor(bytes: Uint8Array): Cursor {
  if (bytes.length !== cursorBytes) {
    throw new FrameMalformedError(`a cursor has ${cursorBytes} bytes, and not ${bytes.length}`);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, cursorBytes);
  const sequence = view.getUint32(4, true) * two32 + view.getUint32(8, true);
  if (sequence > Number.MAX_SAFE_INTEGER) {
    throw new FrameMalformedError("a cursor's sequence is at most 2^53-1");
  }
  return { epoch: view.getUint32(0, true), sequence };
}

/** @throws InvalidArgumentError naming what is wrong with it. */
export function checkCursor(value: unknown, what = "cursor"): asserts value is Cursor {
  const { epoch, sequence } = (value ?? {}) as Partial<Record<keyof Cursor, unknown>>;
  if (!isInteger(epoch, two32 - 1)) {
    throw new InvalidArgumentError(
      `${what}.epoch must be an integer from 0 to 2^32-1, and not ${show(epoch)}`,
    );
  }
  if (!isInteger(sequence, Number.MAX_SAFE_INTEGER)) {
    throw new InvalidArgumentError(
      `${what}.sequence must be an integer from 0 to 2^53-1, and not ${show(sequence)}`,
    );
  }
}

function isInteger(value: unknown, max: number): boolean {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= max;
}
