import type { SlotDirectory } from "./directory.js";
import { generationIn, isInUse, nextGeneration, stateIn } from "./handle.js";
import type { SessionTable } from "./table.js";
import { SlotState } from "./table_layout.js";

/** Longer than the operating system lets a thread wait in the middle of an operation. */
const underWayMs = 5_000;

/**
 * Compares a table with its directory, a slice at a time. What contradicts it in two rounds one after the other, with
 * the same words, is damage: the slot is quarantined, and comes back into use, in a new generation, when the directory
 * says that nobody has it. Only what looks as an operation leaves a slot in its middle may be one, of a thread that
 * does not get the processor: that is damage when it has lasted.
 */
export class Audit {
  readonly #table: SessionTable;
  readonly #directory: SlotDirectory;
  /** Words of slots that contradicted the directory in this round and the last, by slot. */
  #suspects = new Map<number, number>();
  #lastSuspects = new Map<number, number>();
  /** Since when slots have looked as if an operation were under way, with which word. */
  readonly #underWay = new Map<number, { readonly word: number; readonly sinceMs: number }>();
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
    if (this.#agrees(slot, bound, word, claim)) {
      if (this.#underWay.size > 0) this.#underWay.delete(slot);
      return;
    }
    this.#suspects.set(slot, word);
    if (this.#lastSuspects.get(slot) !== word || this.#directory.boundGeneration(slot) !== bound) return;
    if (this.#mayBeUnderWay(bound, word, claim) && !this.#hasLasted(slot, word)) return;
    if (bound === 0) {
      if (stateIn(word) > SlotState.free && stateIn(word) !== SlotState.quarantined) {
        this.#quarantine(slot, word);
      } else if (!this.#directory.isHeld(slot)) {
        this.#table.pardon(slot, word, claim, nextGeneration(this.#directory.lastGeneration(slot)));
      }
    } else if (stateIn(word) !== SlotState.quarantined) {
      this.#quarantine(slot, word);
    }
  }

  #quarantine(slot: number, word: number): void {
    if (this.#table.quarantine(slot, word)) this.#quarantined += 1;
  }

  /** Between what a thread does to claim, bind, unbind and let go of a slot; its own claim stands there then. */
  #mayBeUnderWay(bound: number, word: number, claim: number): boolean {
    if (claim === 0 || !this.#directory.isAlive(claim)) return false;
    const isFree = stateIn(word) === SlotState.free;
    if (bound === 0) return isFree;
    return isFree && (generationIn(word) === bound || generationIn(word) === nextGeneration(bound));
  }

  #hasLasted(slot: number, word: number): boolean {
    const nowMs = performance.now();
    const seen = this.#underWay.get(slot);
    if (seen?.word === word) return nowMs - seen.sinceMs >= underWayMs;
    this.#underWay.set(slot, { word, sinceMs: nowMs });
    return false;
  }

  #agrees(slot: number, bound: number, word: number, claim: number): boolean {
    const state = stateIn(word);
    if (bound === 0) {
      if (generationIn(word) === 0) return false;
      if (this.#directory.isHeld(slot)) return state === SlotState.free || state === SlotState.quarantined;
      return state === SlotState.free && claim === 0;
    }
    if (generationIn(word) !== bound || !isInUse(word)) return false;
    return state !== SlotState.open || this.#table.isIntact(slot, bound);
  }
}
