import { TABLE_HEAD_OFFSET, TABLE_TAIL_OFFSET } from "./table_layout.js";

const HEAD = TABLE_HEAD_OFFSET >> 2;
const TAIL = TABLE_TAIL_OFFSET >> 2;

/** `take` found nothing. */
export const NO_SLOT = -1;
/** `take` or `put` found what no run of the two leaves behind: some thread wrote into the memory. */
export const DAMAGED = -2;

/** Each turn of a loop without progress is another thread's progress, unless the words are damaged. */
const maxTurns = 1_000_000;

/**
 * The free slots, first in, first out, for any number of threads and for C++ (`native/session/free_ring.h`, the same
 * algorithm). It is Vyukov's bounded queue with a lap in every cell, but what claims a position is the exchange of its
 * cell and not of the head or tail: those only follow, and whoever meets a cell that they have not passed yet moves them
 * on. So a thread that stops for ever between two steps stops nobody.
 *
 * What it holds are hints: a slot that is in it twice, or not at all, does no harm beyond a look, because the slot's own
 * claim decides who has it, and the table puts back what is missing.
 *
 * Positions and cells are read plainly: they are guesses that the exchange of the cell confirms, since a cell says its
 * lap. What is said of the ring without an exchange is read again by Atomics.
 *
 * A cell is `lap | 0` when it waits for a slot, and `lap | slot + 1` when it has one; the lap is the position without
 * the bits that say which cell.
 */
export class FreeRing {
  readonly #words: Int32Array;
  readonly #cells: number;
  readonly #size: number;
  readonly #mask: number;
  readonly #slotCount: number;

  /** `cells` is the word at which the cells begin; their number is a power of two. */
  constructor(words: Int32Array, cells: number, cellCount: number, slotCount: number) {
    this.#words = words;
    this.#cells = cells;
    this.#size = cellCount;
    this.#mask = cellCount - 1;
    this.#slotCount = slotCount;
  }

  /** @returns false when there is no room, which only damage and hints that are there twice bring about. */
  put(slot: number): boolean {
    const words = this.#words;
    const mask = this.#mask;
    for (let turn = 0; turn < maxTurns; turn += 1) {
      const tail = words[TAIL]!;
      const at = this.#cells + (tail & mask);
      const cell = words[at]!;
      const lap = tail & ~mask;
      if (cell === lap) {
        if (Atomics.compareExchange(words, at, cell, lap | (slot + 1)) !== cell) continue;
        Atomics.compareExchange(words, TAIL, tail, (tail + 1) | 0);
        return true;
      }
      const cellLap = cell & ~mask;
      if (cellLap === lap || cellLap === ((lap + this.#size) | 0)) {
        // Filled, or emptied again already, before the tail moved on: move it.
        Atomics.compareExchange(words, TAIL, tail, (tail + 1) | 0);
      } else if (Atomics.load(words, TAIL) === tail) {
        return false;
      }
    }
    return false;
  }

  /** @returns a slot, NO_SLOT or DAMAGED. */
  take(): number {
    const words = this.#words;
    const mask = this.#mask;
    for (let turn = 0; turn < maxTurns; turn += 1) {
      const head = words[HEAD]!;
      const at = this.#cells + (head & mask);
      const cell = words[at]!;
      const lap = head & ~mask;
      const nextLap = (lap + this.#size) | 0;
      if ((cell & ~mask) === lap) {
        if ((cell & mask) === 0) {
          if (Atomics.load(words, HEAD) === head && Atomics.load(words, at) === cell) return NO_SLOT;
          continue;
        }
        if (Atomics.compareExchange(words, at, cell, nextLap) !== cell) continue;
        Atomics.compareExchange(words, HEAD, head, (head + 1) | 0);
        const slot = (cell & mask) - 1;
        return slot < this.#slotCount ? slot : DAMAGED;
      }
      if ((cell & ~mask) === nextLap) {
        Atomics.compareExchange(words, HEAD, head, (head + 1) | 0);
      } else if (Atomics.load(words, HEAD) === head) {
        return DAMAGED;
      }
    }
    return DAMAGED;
  }

  /**
   * Empties the ring, whatever was in it, two laps ahead of where it stood, so that an exchange that is still under way
   * fails. What others put in meanwhile may be lost: the caller afterwards puts in every slot that it finds free.
   */
  reset(): void {
    const words = this.#words;
    const lap = ((Atomics.load(words, TAIL) & ~this.#mask) + 2 * this.#size) | 0;
    for (let at = this.#cells; at < this.#cells + this.#size; at += 1) Atomics.store(words, at, lap);
    Atomics.store(words, HEAD, lap);
    Atomics.store(words, TAIL, lap);
  }
}
