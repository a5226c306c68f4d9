const MIN_BLOCK_BYTES = 256;
const MAX_BLOCK_BYTES = 64 * 1024;

/**
 * Bytes of a stream that nobody has read yet, in the order they came. Small chunks share a block, so that a byte
 * costs about a byte, however few of them a packet brought.
 */
export class Backlog {
  /** What waits. */
  bytes = 0;
  #full: Uint8Array[] = [];
  /** Takes more. */
  #open: Uint8Array | undefined;
  #openBytes = 0;

  /** Copies the chunk. */
  add(chunk: Uint8Array): void {
    if (this.#open === undefined || this.#open.length - this.#openBytes < chunk.length) {
      this.#seal();
      // As large as all that waits already: memory stays below twice the bytes.
      const wanted = Math.min(MAX_BLOCK_BYTES, Math.max(MIN_BLOCK_BYTES, this.bytes));
      this.#open = new Uint8Array(Math.max(chunk.length, wanted));
    }
    this.#open.set(chunk, this.#openBytes);
    this.#openBytes += chunk.length;
    this.bytes += chunk.length;
  }

  /** The oldest block, removed; its memory is the caller's. */
  shift(): Uint8Array | undefined {
    if (this.#full.length === 0) this.#seal();
    const block = this.#full.shift();
    this.bytes -= block?.length ?? 0;
    return block;
  }

  /** All blocks, removed; none shares memory with another. */
  takeAll(): Uint8Array[] {
    this.#seal();
    const blocks = this.#full;
    this.#full = [];
    this.bytes = 0;
    return blocks;
  }

  #seal(): void {
    if (this.#open === undefined) return;
    this.#full.push(this.#open.subarray(0, this.#openBytes));
    this.#open = undefined;
    this.#openBytes = 0;
  }
}
