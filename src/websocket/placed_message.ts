import type { PlacedFrame } from "../transport/connection.js";

/** Words of the least that is worth it: a frame's head (docs/wire.md). */
const headWords = 12;

/**
 * The message that a library brings, as a frame: where it lies is known, which a view of it would have to be asked for,
 * and that costs more than to read the head.
 */
export class PlacedMessage implements PlacedFrame {
  ring: ArrayBufferLike = new ArrayBuffer(0);
  words: Int32Array = new Int32Array(0);
  readonly offset = 0;
  length = 0;

  /** Shows this message, until the next call. @returns false where it is shorter than a head. */
  holds(message: ArrayBuffer): boolean {
    const { byteLength } = message;
    if (byteLength < 4 * headWords) return false;
    this.ring = message;
    this.words = new Int32Array(message, 0, headWords);
    this.length = byteLength;
    return true;
  }

  bytes(): Uint8Array {
    return new Uint8Array(this.ring);
  }
}
