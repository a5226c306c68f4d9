import type { Claim } from "./claim.js";
import type { SlotHolders } from "./directory.js";
import { DAMAGED, FreeRing, NO_SLOT } from "./free_ring.js";
import { generationOf, handleOf, type SessionHandle, slotOf, stateIn, stateWord } from "./handle.js";
import { OwnSlots } from "./own_slots.js";
import { CLAIM, SessionNumber, STATE, wordOf } from "./slot_words.js";
import {
  cellCountOf,
  SlotState,
  TABLE_DAMAGED_OFFSET,
  TABLE_SUSPECT_OFFSET,
  type TableMemory,
} from "./table_layout.js";

const SUSPECT = TABLE_SUSPECT_OFFSET >> 2;

/** At how many slots themselves a refused allocation looks when, by the directory, one is free. */
const maxLooks = 1024;

/**
 * How an environment comes by slots of a table, and lets go of them. The directory says who has a slot; where free ones
 * may be found are hints: those that the environment keeps, the ring, those that others keep, and the slots themselves.
 *
 * Whoever the directory has given a slot to writes into it plainly, whatever stands there: it lets go of it behind its
 * last store, and another gets it before the first of its own.
 */
export class Allocation {
  readonly freeRing: FreeRing;
  readonly own: OwnSlots;
  readonly #words: TableMemory;
  readonly #slotCount: number;
  readonly #directory: SlotHolders;
  #scanned = 0;

  constructor(words: TableMemory, slotCount: number, directory: SlotHolders) {
    this.#words = words;
    this.#slotCount = slotCount;
    this.#directory = directory;
    this.own = new OwnSlots(directory.own, slotCount);
    this.freeRing = new FreeRing(words, wordOf(slotCount), cellCountOf(slotCount), slotCount);
  }

  /** A session that is opening; undefined when all slots are in use. */
  take(claim: Claim): SessionHandle | undefined {
    const slot = this.own.take();
    if (slot !== NO_SLOT) return this.#begin(slot, this.own.generationOf(slot), claim);
    // A table that is full says so at once; but while a recovery fills the ring anew it is empty for a moment, which
    // may be over when the mark is looked at. Then there is something the second time.
    for (let attempt = 0; attempt < 2; attempt += 1) {
      const handle = this.#takeFree(claim) ?? this.#steal(claim);
      if (handle !== undefined) return handle;
      if (Atomics.load(this.#words, SUSPECT) !== 0) return this.#scan(claim, this.#slotCount);
      if (this.#directory.heldCount() >= this.#slotCount) return undefined;
    }
    return this.#scan(claim, Math.min(maxLooks, this.#slotCount));
  }

  /** Ends a session that this environment has, whatever the table says of it. False when it has no such session. */
  end(handle: SessionHandle, claim: Claim, free: number): boolean {
    const slot = slotOf(handle);
    const generation = generationOf(handle);
    if (!this.own.has(slot, generation)) return false;
    const words = this.#words;
    words[wordOf(slot) + STATE] = free;
    if (this.own.keep(slot, generation)) return true;
    this.#directory.unbind(slot, generation);
    this.giveBack(slot, claim);
    return true;
  }

  /** Ends a claim on a slot that is free, and offers the slot. The claim first: a hint of a slot that is still claimed is lost. */
  giveBack(slot: number, claim: Claim): void {
    const at = wordOf(slot) + CLAIM;
    if (Atomics.compareExchange(this.#words, at, claim, 0) !== claim) return;
    this.offer(slot);
  }

  offer(slot: number): void {
    if (!this.freeRing.put(slot)) this.#suspect();
  }

  /** By the ring alone. */
  #takeFree(claim: Claim): SessionHandle | undefined {
    for (let looks = 0; looks < this.#slotCount * 2; looks += 1) {
      const slot = this.freeRing.take();
      if (slot === DAMAGED) this.#suspect();
      if (slot === DAMAGED || slot === NO_SLOT) return undefined;
      const handle = this.#claim(slot, claim);
      if (handle !== undefined) return handle;
    }
    return undefined;
  }

  /** Of those that any environment keeps. */
  #steal(claim: Claim): SessionHandle | undefined {
    const handle = this.#directory.steal() as SessionHandle;
    return handle === 0 ? undefined : this.#begin(slotOf(handle), generationOf(handle), claim);
  }

  /** By the slots themselves. */
  #scan(claim: Claim, slots: number): SessionHandle | undefined {
    for (let looks = 0; looks < slots; looks += 1) {
      const slot = this.#scanned;
      this.#scanned = (slot + 1) % this.#slotCount;
      if (Atomics.load(this.#words, wordOf(slot) + CLAIM) !== 0) continue;
      if (stateIn(Atomics.load(this.#words, wordOf(slot) + STATE)) !== SlotState.free) continue;
      const handle = this.#claim(slot, claim);
      if (handle !== undefined) return handle;
    }
    return undefined;
  }

  /** Of a slot that looks free. Claimed before it is bound: whoever ends in between has left its claim there. */
  #claim(slot: number, claim: Claim): SessionHandle | undefined {
    const at = wordOf(slot) + CLAIM;
    if (Atomics.compareExchange(this.#words, at, 0, claim) !== 0) return undefined;
    const generation = this.#directory.bind(slot);
    if (generation !== 0) return this.#begin(slot, generation, claim);
    Atomics.compareExchange(this.#words, at, claim, 0);
    return undefined;
  }

  #begin(slot: number, generation: number, claim: Claim): SessionHandle {
    const words = this.#words;
    const base = wordOf(slot);
    // One by one: a loop of seven turns costs as much as all else here.
    words[base + CLAIM] = claim;
    words[base + SessionNumber.lastActivity] = 0;
    words[base + SessionNumber.roundTripUs] = 0;
    words[base + SessionNumber.queuedBytes] = 0;
    words[base + SessionNumber.sendSequence] = 0;
    words[base + SessionNumber.receiveSequence] = 0;
    words[base + SessionNumber.ackSequence] = 0;
    words[base + SessionNumber.messages] = 0;
    words[base + STATE] = stateWord(generation, SlotState.opening);
    return handleOf(slot, generation);
  }

  /** The ring misses slots, or may: the next recovery fills it anew. */
  #suspect(): void {
    Atomics.add(this.#words, SUSPECT, 1);
    Atomics.add(this.#words, TABLE_DAMAGED_OFFSET >> 2, 1);
  }
}
