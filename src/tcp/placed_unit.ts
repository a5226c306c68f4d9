import type { PlacedFrame } from "../transport/connection.js";

/** A frame where it lies in a chunk: one object shows those of all connections, one after the other. */
export class PlacedUnit implements PlacedFrame {
  ring: ArrayBufferLike = new ArrayBuffer(0);
  words: Int32Array = new Int32Array(0);
  offset = 0;
  length = 0;

  /** Shows this one, until the next call. @param offset a multiple of 4. */
  show(memory: ArrayBufferLike, offset: number, length: number): void {
    if (memory !== this.ring) {
      this.ring = memory;
      this.words = new Int32Array(memory, 0, memory.byteLength >> 2); // for all frames of a chunk
    }
    this.offset = offset;
    this.length = length;
  }

  bytes(): Uint8Array {
    return new Uint8Array(this.ring, this.offset, this.length);
  }
}
