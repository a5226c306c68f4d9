import { NO_SLOT } from "./free_ring.js";
import { RECENT_HEADER_WORDS } from "./table_layout.js";

const PUT = 0;
const TAKEN = 1;

/**
 * The slots that one environment let go of last, first in, first out: what its next session gets is in the processor's
 * cache still, and costs no exchange that other threads see. Only that environment puts in and takes out; others look.
 *
 * What is here are hints, as in the ring of free slots: the slot's own claim decides who has it. So nothing here is an
 * atomic access, an environment that ends between two leaves nothing that matters, and whoever scribbles over it makes
 * others look at the wrong slots.
 */
export class RecentSlots {
  readonly #words: Int32Array;
  readonly #header: number;
  readonly #slots: number;
  readonly #size: number;

  /** `header` is the word at which the environment's part begins; `size` is a power of two. */
  constructor(words: Int32Array, header: number, size: number) {
    this.#words = words;
    this.#header = header;
    this.#slots = header + RECENT_HEADER_WORDS;
    this.#size = size;
  }

  /** The slot that the next `put` writes over, which is to be offered elsewhere before; NO_SLOT when there is none. */
  last(): number {
    const words = this.#words;
    const position = words[this.#header + PUT]!;
    return words[this.#slots + (position & (this.#size - 1))]! - 1;
  }

  put(slot: number): void {
    const words = this.#words;
    const position = words[this.#header + PUT]!;
    words[this.#slots + (position & (this.#size - 1))] = slot + 1;
    words[this.#header + PUT] = position + 1;
    // What was written over is taken.
    if (((position - words[this.#header + TAKEN]!) | 0) >= this.#size) {
      words[this.#header + TAKEN] = position + 1 - this.#size;
    }
  }

  /** The oldest, while there are so many that none is in use again soon; else NO_SLOT. */
  take(): number {
    const words = this.#words;
    const position = words[this.#header + TAKEN]!;
    if (((words[this.#header + PUT]! - position) | 0) <= this.#size >> 1) return NO_SLOT;
    const at = this.#slots + (position & (this.#size - 1));
    const hint = words[at]!;
    words[at] = 0;
    words[this.#header + TAKEN] = position + 1;
    return hint - 1;
  }
}
