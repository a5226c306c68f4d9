import type { SlotDirectory } from "./directory.js";
import { generationIn, isInUse, nextGeneration, stateIn } from "./handle.js";
import type { SessionTable } from "./table.js";
import { SlotState } from "./table_layout.js";

/**
 * Compares a table with its directory, a slice at a time. What contradicts it in two rounds one after the other, with
 * the same words, is no operation under way but damage: the slot is quarantined, and comes back into use, in a new
 * generation, when the directory says that nobody has it.
 */
export class Audit {
  readonly #table: SessionTable;
  readonly #directory: SlotDirectory;
  /** Words of slots that contradicted the directory in this round and the last, by slot. */
  #suspects = new Map<number, number>();
  #lastSuspects = new Map<number, number>();
  #cursor = 0;
  #quarantined = 0;

  constructor(table: SessionTable, directory: SlotDirectory) {
    this.#table = table;
    this.#directory = directory;
  }

  /** How many slots this audit has taken out of use; the table's own count can be written over. */
  get quarantined(): number {
    return this.#quarantined;
  }

  /** @returns true when a round has ended with this call. */
  step(budgetSlots: number): boolean {
    const end = Math.min(this.#cursor + budgetSlots, this.#table.slotCount);
    for (; this.#cursor < end; this.#cursor += 1) this.#visit(this.#cursor);
    if (end < this.#table.slotCount) return false;
    this.#lastSuspects = this.#suspects;
    this.#suspects = new Map();
    this.#cursor = 0;
    return true;
  }

  #visit(slot: number): void {
    const bound = this.#directory.boundGeneration(slot);
    const word = this.#table.wordAt(slot);
    const claim = this.#table.claimAt(slot);
    if (this.#agrees(slot, bound, word, claim)) return;
    this.#suspects.set(slot, word);
    if (this.#lastSuspects.get(slot) !== word || this.#directory.boundGeneration(slot) !== bound) return;
    if (bound === 0) {
      if (stateIn(word) > SlotState.free && stateIn(word) !== SlotState.quarantined) {
        this.#quarantine(slot, word);
      } else {
        this.#table.pardon(slot, word, claim, nextGeneration(this.#directory.lastGeneration(slot)));
      }
    } else if (stateIn(word) !== SlotState.quarantined) {
      this.#quarantine(slot, word);
    }
  }

  #quarantine(slot: number, word: number): void {
    if (this.#table.quarantine(slot, word)) this.#quarantined += 1;
  }

  #agrees(slot: number, bound: number, word: number, claim: number): boolean {
    const state = stateIn(word);
    if (bound === 0) return state === SlotState.free && claim === 0 && generationIn(word) !== 0;
    if (generationIn(word) !== bound || !isInUse(word)) return false;
    return state !== SlotState.open || this.#table.isIntact(slot, bound);
  }
}
