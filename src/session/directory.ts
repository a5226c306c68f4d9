/** Who has which slot, in memory that no script can write: as much as a table asks for. */
export interface SlotHolders {
  /**
   * Notes that this environment has the slot, in this generation.
   * @returns false when somebody has it, or had it in this generation or a later one: the table is damaged there.
   */
  bind(slot: number, generation: number): boolean;
  /** Ends that. False when it was not so, or another environment has the slot. */
  unbind(slot: number, generation: number): boolean;
  /** How many slots are in use, of all environments. */
  boundCount(): number;
  /** The environment that has the session, or -1. */
  ownerOf(slot: number, generation: number): number;
}

/** What a table is checked against and put in order by. Every environment of the table has the same one. */
export interface SlotDirectory extends SlotHolders {
  /** The generation in which the slot is in use, or 0. */
  boundGeneration(slot: number): number;
  /** The last generation in which it was. */
  lastGeneration(slot: number): number;
  /** Whether the environment with this claim lives. */
  isAlive(claim: number): boolean;
  /** The claims of environments that have ended and may have something in the table still. */
  ended(): readonly number[];
  /** Says that nothing in the table has this claim any more. */
  bury(claim: number): void;
}

/** A power of two. */
const rememberedSlots = 2048;

/**
 * The directory as one environment sees it, which remembers of a few sessions that they are its own: nobody else gives
 * or takes them, and its memory is no other thread's.
 */
export class OwnSlots implements SlotHolders {
  readonly #directory: SlotHolders;
  readonly #environment: number;
  /** By the slot's lowest bits: a slot of this environment, and in which generation. */
  readonly #slots = new Uint32Array(rememberedSlots);
  readonly #generations = new Uint32Array(rememberedSlots);

  constructor(directory: SlotHolders, environment: number) {
    this.#directory = directory;
    this.#environment = environment;
  }

  /** Whether this environment has the session. */
  has(slot: number, generation: number): boolean {
    const at = slot & (rememberedSlots - 1);
    if (generation !== 0 && this.#generations[at] === generation && this.#slots[at] === slot) return true;
    if (this.#directory.ownerOf(slot, generation) !== this.#environment) return false;
    this.#slots[at] = slot;
    this.#generations[at] = generation;
    return true;
  }

  bind(slot: number, generation: number): boolean {
    return this.#directory.bind(slot, generation);
  }

  unbind(slot: number, generation: number): boolean {
    this.#generations[slot & (rememberedSlots - 1)] = 0; // whichever it is of
    return this.#directory.unbind(slot, generation);
  }

  boundCount(): number {
    return this.#directory.boundCount();
  }

  ownerOf(slot: number, generation: number): number {
    return this.#directory.ownerOf(slot, generation);
  }
}
