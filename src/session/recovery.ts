import type { Claim } from "./claim.js";
import type { SlotDirectory } from "./directory.js";
import { generationIn, isInUse, nextGeneration, stateIn, stateWord } from "./handle.js";
import { CLAIM, STATE, wordOf } from "./slot_words.js";
import type { SessionTable } from "./table.js";
import {
  SlotState,
  TABLE_REBUILDER_OFFSET,
  TABLE_RECOVERED_OFFSET,
  TABLE_SUSPECT_OFFSET,
} from "./table_layout.js";

const SUSPECT = TABLE_SUSPECT_OFFSET >> 2;
const REBUILDER = TABLE_REBUILDER_OFFSET >> 2;

/** How often another environment that is at work is waited for, which may be busy with something else meanwhile. */
const maxTurnsWaited = 1;

/**
 * Puts a table in order after an environment has ended in the middle of anything, or after the ring of free slots was
 * found damaged: takes back the slots whose claim is a dead environment's, and fills the ring anew from the slots'
 * states, which are the truth. It runs beside everything else, in slices, in any environment; where several want to,
 * one does, and where that one ends as well, the next.
 */
export class Recovery {
  readonly #table: SessionTable;
  readonly #directory: SlotDirectory;
  readonly #words: Int32Array;
  readonly #claim: Claim;
  #dead: readonly Claim[] = [];
  #suspected = 0;
  #turnsWaited = 0;
  #next = -1; // The slot at which the pass under way goes on; -1 when there is none.

  /** `claim` is the environment's own, whose thread calls `step`. */
  constructor(table: SessionTable, claim: Claim, directory: SlotDirectory) {
    this.#table = table;
    this.#directory = directory;
    this.#words = table.memory;
    this.#claim = claim;
  }

  /**
   * Does a slice of what there is to do, at most `budgetSlots` slots of it (the ring is emptied in one go: 2 ms for a
   * million slots).
   * @returns true when nothing is left to do, or another environment does it.
   */
  step(budgetSlots: number): boolean {
    if (this.#next < 0 && !this.#begin()) return true;
    const end = Math.min(this.#next + budgetSlots, this.#table.slotCount);
    for (let slot = this.#next; slot < end; slot += 1) this.#visit(slot);
    this.#next = end;
    if (end < this.#table.slotCount) return false;
    this.#finish();
    return false;
  }

  #begin(): boolean {
    const words = this.#words;
    this.#dead = this.#directory.ended() as readonly Claim[];
    if (this.#dead.length === 0 && Atomics.load(words, SUSPECT) === 0) return false;
    const rebuilder = Atomics.load(words, REBUILDER) as Claim;
    if (rebuilder !== 0 && rebuilder !== this.#claim && this.#directory.isAlive(rebuilder)) {
      // A turn is as long as the caller lets pass between its calls; two at once do no more harm than work.
      if (this.#turnsWaited < maxTurnsWaited) {
        this.#turnsWaited += 1;
        return false;
      }
    }
    this.#turnsWaited = 0;
    if (Atomics.compareExchange(words, REBUILDER, rebuilder, this.#claim) !== rebuilder) return false;
    // From here to the end, allocation looks at the slots themselves where the ring has none.
    this.#suspected = Atomics.add(words, SUSPECT, 1) + 1;
    this.#table.allocation.freeRing.reset();
    this.#next = 0;
    return true;
  }

  #visit(slot: number): void {
    const base = wordOf(slot);
    const claim = Atomics.load(this.#words, base + CLAIM) as Claim;
    if (claim === 0) {
      const isFree = stateIn(Atomics.load(this.#words, base + STATE)) === SlotState.free;
      if (isFree) this.#table.allocation.freeRing.put(slot);
    } else if (this.#dead.includes(claim)) {
      this.#takeBack(slot, base, claim);
    }
  }

  #takeBack(slot: number, base: number, claim: Claim): void {
    const words = this.#words;
    // The directory has freed what it had: this is another's, with a claim that somebody wrote over.
    if (this.#directory.isHeld(slot)) return;
    if (Atomics.compareExchange(words, base + CLAIM, claim, this.#claim) !== claim) return;
    for (;;) {
      const word = Atomics.load(words, base + STATE);
      if (!isInUse(word)) break;
      const free = stateWord(nextGeneration(generationIn(word)), SlotState.free);
      // Others may ask it to close at the same time; then it is looked at again.
      if (Atomics.compareExchange(words, base + STATE, word, free) !== word) continue;
      Atomics.add(words, TABLE_RECOVERED_OFFSET >> 2, 1);
      break;
    }
    this.#table.allocation.giveBack(slot, this.#claim);
  }

  #finish(): void {
    this.#next = -1;
    for (const claim of this.#dead) this.#directory.bury(claim);
    // What was suspected meanwhile stays so, for another pass.
    Atomics.compareExchange(this.#words, SUSPECT, this.#suspected, 0);
    Atomics.compareExchange(this.#words, REBUILDER, this.#claim, 0);
  }
}
