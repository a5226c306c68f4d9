/**
 * The directory in words that the step explorer watches: what native/session/session_directory.cc does behind its lock
 * or by one exchange is one step here. Environments are there from the beginning, in places of their own.
 */
import type { Claim } from "#internal/session/claim.js";
import type { SlotDirectory } from "#internal/session/directory.js";
import { handleOf, nextGeneration } from "#internal/session/handle.js";
import { CLAIM, wordOf } from "#internal/session/slot_words.js";

const Place = { alive: 0, ended: 1, buried: 2 } as const;

/** How an environment's own memory lies: the numbers of table_layout.ts, as the modules under test have them. */
export interface OwnLayout {
  readonly OWN_HEADER_WORDS: number;
  ownSlotsOffset(slotCount: number): number;
  ownWordsOf(slotCount: number): number;
}

export class ModelDirectory {
  /** All that it knows. */
  readonly words: Int32Array;
  readonly table: Int32Array;
  readonly slots: number;
  readonly layout: OwnLayout;
  readonly environments: readonly ModelEnvironment[];

  constructor(table: Int32Array, slots: number, environments: number, layout: OwnLayout) {
    this.table = table;
    this.slots = slots;
    this.layout = layout;
    this.words = new Int32Array(environments * (1 + layout.ownWordsOf(slots)) + 2 * slots);
    this.environments = Array.from({ length: environments }, (_, index) => new ModelEnvironment(this, index));
  }

  place(environment: number): number {
    return environment;
  }

  holder(slot: number): number {
    return this.environments.length + slot;
  }

  last(slot: number): number {
    return this.holder(slot) + this.slots;
  }

  ownOf(environment: number): Int32Array {
    const size = this.layout.ownWordsOf(this.slots);
    const first = this.environments.length + 2 * this.slots + environment * size;
    return this.words.subarray(first, first + size);
  }

  /** The environment ends: its slots are free. */
  leave(environment: number): void {
    const own = this.ownOf(environment);
    for (let slot = 0; slot < this.slots; slot += 1) {
      if (this.words[this.holder(slot)] !== environment + 1) continue;
      this.words[this.last(slot)] = own[this.layout.ownSlotsOffset(this.slots) + slot]! >>> 1;
      this.words[this.holder(slot)] = 0;
    }
    own.fill(0);
    this.words[this.place(environment)] = Place.ended;
  }
}

/** The directory as one environment has it. */
export class ModelEnvironment implements SlotDirectory {
  readonly claim: Claim;
  readonly #model: ModelDirectory;
  readonly #index: number;

  constructor(model: ModelDirectory, index: number) {
    this.#model = model;
    this.#index = index;
    this.claim = ((1 << 8) | index) as Claim;
  }

  get own(): Int32Array {
    return this.#model.ownOf(this.#index);
  }

  bind(slot: number): number {
    const { words } = this.#model;
    if (words[this.#model.holder(slot)] !== 0) return 0;
    return this.#give(slot, nextGeneration(words[this.#model.last(slot)]!));
  }

  unbind(slot: number, generation: number): boolean {
    const { words } = this.#model;
    if (words[this.#model.holder(slot)] !== this.#index + 1) return false;
    if (this.#slotOf(this.#index, slot) !== ((generation << 1) | 1)) return false;
    this.own[this.#offset() + slot] = 0;
    words[this.#model.last(slot)] = generation;
    words[this.#model.holder(slot)] = 0;
    return true;
  }

  steal(): number {
    const { words, environments, layout } = this.#model;
    for (const { claim } of environments) {
      const place = claim & 0xff;
      const own = this.#model.ownOf(place);
      for (let at = layout.OWN_HEADER_WORDS; at < this.#offset(); at += 1) {
        const slot = own[at]! - 1;
        own[at] = 0;
        if (slot < 0 || words[this.#model.holder(slot)] !== place + 1) continue;
        const word = this.#slotOf(place, slot);
        if ((word & 1) !== 0) continue;
        own[this.#offset() + slot] = 0;
        const generation = nextGeneration(word >>> 1);
        this.#give(slot, generation);
        this.#model.table[wordOf(slot) + CLAIM] = this.claim;
        return handleOf(slot, generation);
      }
    }
    return 0;
  }

  isHeld(slot: number): boolean {
    return this.#model.words[this.#model.holder(slot)] !== 0;
  }

  heldCount(): number {
    let count = 0;
    for (let slot = 0; slot < this.#model.slots; slot += 1) if (this.isHeld(slot)) count += 1;
    return count;
  }

  ownerOf(slot: number, generation: number): number {
    const holder = this.#model.words[this.#model.holder(slot)]!;
    if (holder === 0 || this.#slotOf(holder - 1, slot) !== ((generation << 1) | 1)) return -1;
    return holder - 1;
  }

  boundGeneration(slot: number): number {
    const holder = this.#model.words[this.#model.holder(slot)]!;
    const word = holder === 0 ? 0 : this.#slotOf(holder - 1, slot);
    return (word & 1) === 0 ? 0 : word >>> 1;
  }

  lastGeneration(slot: number): number {
    const holder = this.#model.words[this.#model.holder(slot)]!;
    return holder === 0 ? this.#model.words[this.#model.last(slot)]! : this.#slotOf(holder - 1, slot) >>> 1;
  }

  isAlive(claim: number): boolean {
    return this.#model.words[this.#model.place(claim & 0xff)] === Place.alive;
  }

  ended(): readonly number[] {
    return this.#model.environments
      .map(({ claim }) => claim as number)
      .filter((claim) => this.#model.words[this.#model.place(claim & 0xff)] === Place.ended);
  }

  bury(claim: number): void {
    this.#model.words[this.#model.place(claim & 0xff)] = Place.buried;
  }

  #offset(): number {
    return this.#model.layout.ownSlotsOffset(this.#model.slots);
  }

  #slotOf(environment: number, slot: number): number {
    return this.#model.ownOf(environment)[this.#offset() + slot]!;
  }

  #give(slot: number, generation: number): number {
    this.#model.words[this.#model.holder(slot)] = this.#index + 1;
    this.own[this.#offset() + slot] = (generation << 1) | 1;
    return generation;
  }
}
