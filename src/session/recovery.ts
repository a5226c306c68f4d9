import type { SlotDirectory } from "./directory.js";
import type { Claim } from "./environments.js";
import { generationIn, isInUse, nextGeneration, stateIn, stateWord } from "./handle.js";
import type { SessionTable } from "./table.js";
import {
  SLOT_BYTES,
  SLOT_CLAIM_OFFSET,
  SLOT_STATE_OFFSET,
  SlotState,
  TABLE_HEADER_BYTES,
  TABLE_REBUILDER_OFFSET,
  TABLE_RECOVERED_OFFSET,
  TABLE_SUSPECT_OFFSET,
} from "./table_layout.js";

const STATE = SLOT_STATE_OFFSET >> 2;
const CLAIM = SLOT_CLAIM_OFFSET >> 2;
const SUSPECT = TABLE_SUSPECT_OFFSET >> 2;
const REBUILDER = TABLE_REBUILDER_OFFSET >> 2;

const firstSlot = TABLE_HEADER_BYTES >> 2;
const slotWords = SLOT_BYTES >> 2;

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
  readonly #directory: SlotDirectory | undefined;
  readonly #words: Int32Array;
  readonly #claim: Claim;
  #dead: readonly Claim[] = [];
  #suspected = 0;
  #turnsWaited = 0;
  #next = -1; // The slot at which the pass under way goes on; -1 when there is none.

  /**
   * `claim` is the environment's own, whose thread calls `step`. With a directory it is that which says who has ended,
   * and the table is not believed.
   */
  constructor(table: SessionTable, claim: Claim, directory?: SlotDirectory) {
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
    this.#dead =
      this.#directory === undefined
        ? this.#table.environments.dead()
        : (this.#directory.ended() as readonly Claim[]);
    if (this.#dead.length === 0 && Atomics.load(words, SUSPECT) === 0) return false;
    const rebuilder = Atomics.load(words, REBUILDER) as Claim;
    if (rebuilder !== 0 && rebuilder !== this.#claim && this.#isAlive(rebuilder)) {
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
    this.#table.freeRing.reset();
    this.#next = 0;
    return true;
  }

  #isAlive(claim: Claim): boolean {
    if (this.#directory === undefined) return this.#table.environments.isAlive(claim);
    return this.#directory.isAlive(claim);
  }

  #visit(slot: number): void {
    const base = firstSlot + slot * slotWords;
    const claim = Atomics.load(this.#words, base + CLAIM) as Claim;
    if (claim === 0) {
      if (stateIn(Atomics.load(this.#words, base + STATE)) === SlotState.free) this.#table.freeRing.put(slot);
    } else if (this.#dead.includes(claim)) {
      this.#takeBack(slot, base, claim);
    }
  }

  #takeBack(slot: number, base: number, claim: Claim): void {
    const words = this.#words;
    // The directory has freed what it had: this is another's session, with a claim that somebody wrote over.
    if (this.#directory !== undefined && this.#directory.boundGeneration(slot) !== 0) return;
    if (Atomics.compareExchange(words, base + CLAIM, claim, this.#claim) !== claim) return;
    for (;;) {
      const word = Atomics.load(words, base + STATE);
      if (!isInUse(word) && !this.#wasBound(slot, word)) break;
      const free = stateWord(nextGeneration(generationIn(word)), SlotState.free);
      // Others may ask it to close at the same time; then it is looked at again.
      if (Atomics.compareExchange(words, base + STATE, word, free) === word) break;
    }
    Atomics.add(words, TABLE_RECOVERED_OFFSET >> 2, 1);
    this.#table.giveBack(slot, this.#claim);
  }

  /** Its environment ended between telling the directory and the table: nobody may have this generation again. */
  #wasBound(slot: number, word: number): boolean {
    if (this.#directory === undefined || stateIn(word) !== SlotState.free) return false;
    return generationIn(word) === this.#directory.lastGeneration(slot);
  }

  #finish(): void {
    this.#next = -1;
    for (const claim of this.#dead) {
      if (this.#directory === undefined) this.#table.environments.retire(claim);
      else this.#directory.bury(claim);
    }
    // What was suspected meanwhile stays so, for another pass.
    Atomics.compareExchange(this.#words, SUSPECT, this.#suspected, 0);
    Atomics.compareExchange(this.#words, REBUILDER, this.#claim, 0);
  }
}
