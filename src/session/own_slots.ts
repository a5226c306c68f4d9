import { NO_SLOT } from "./free_ring.js";
import { generationMask, nextGeneration } from "./handle.js";
import { keptSlotsOf, OWN_HEADER_WORDS, ownSlotsOffset } from "./table_layout.js";

const PUT = 0;
const TAKEN = 1;

/**
 * The slots that one environment has, in memory that no other thread's script reaches and `table_layout.h` draws: which
 * sessions live there, and which slots it keeps for its next ones. So neither the end of a session nor the beginning of
 * another asks the directory, which reads here who has what.
 *
 * Only this environment writes here, plainly, but for the slots that it keeps: those another may take out, which finds
 * no slot elsewhere. An exchange of the kept slot's word decides which of the two has it.
 *
 * Kept slots are used again first in, first out, once they are more than half: what a session gets is in the processor's
 * cache still, and not what was another's a moment ago.
 */
export class OwnSlots {
  readonly #words: Int32Array;
  readonly #size: number;
  readonly #slots: number;

  /** `words` is the environment's own memory, of a table of so many slots. */
  constructor(words: Int32Array, slotCount: number) {
    this.#words = words;
    this.#size = keptSlotsOf(slotCount);
    this.#slots = ownSlotsOffset(slotCount);
  }

  /** Whether the session is this environment's, and lives. */
  has(slot: number, generation: number): boolean {
    const words = this.#words;
    return generation !== 0 && words[this.#slots + slot] === ((generation << 1) | 1);
  }

  /** Ends the session in a slot that this environment has, and keeps the slot. False when it keeps no more. */
  keep(slot: number, generation: number): boolean {
    const words = this.#words;
    const position = words[PUT]!;
    if (((position - words[TAKEN]!) | 0) >= this.#size) return false;
    words[this.#slots + slot] = generation << 1;
    words[PUT] = (position + 1) | 0;
    // Whoever takes it out sees all that was written before.
    Atomics.store(words, OWN_HEADER_WORDS + (position & (this.#size - 1)), slot + 1);
    return true;
  }

  /** A kept slot, in which a session of the next generation lives now; NO_SLOT when none has rested. */
  take(): number {
    const words = this.#words;
    for (let looks = 0; looks < this.#size; looks += 1) {
      const position = words[TAKEN]!;
      if (((words[PUT]! - position) | 0) <= this.#size >> 1) return NO_SLOT;
      words[TAKEN] = (position + 1) | 0;
      const slot = Atomics.exchange(words, OWN_HEADER_WORDS + (position & (this.#size - 1)), 0) - 1;
      if (slot < 0) continue; // another's by now
      const last = words[this.#slots + slot]! >>> 1;
      words[this.#slots + slot] = (nextGeneration(last) << 1) | 1;
      return slot;
    }
    return NO_SLOT;
  }

  /** The generation of the session in a slot that this environment has. */
  generationOf(slot: number): number {
    const words = this.#words;
    return (words[this.#slots + slot]! >>> 1) & generationMask;
  }
}
