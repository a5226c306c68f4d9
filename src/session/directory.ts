/**
 * What a table is checked against, in memory that no script can write: who has which slot, and in which generation.
 * Every environment of the table has the same one.
 */
export interface SlotDirectory {
  /**
   * Notes that this environment has the slot, in this generation.
   * @returns false when somebody has it, or had it in this generation or a later one: the table is damaged there.
   */
  bind(slot: number, generation: number): boolean;
  /** Ends that. False when it was not so, or another environment has the slot. */
  unbind(slot: number, generation: number): boolean;
  /** The generation in which the slot is in use, or 0. */
  boundGeneration(slot: number): number;
  /** The last generation in which it was. */
  lastGeneration(slot: number): number;
  /** How many slots are in use, of all environments. */
  boundCount(): number;
  /** Whether the environment with this claim lives. */
  isAlive(claim: number): boolean;
  /** The claims of environments that have ended and may have something in the table still. */
  ended(): readonly number[];
  /** Says that nothing in the table has this claim any more. */
  bury(claim: number): void;
  /** The environment that has the session, or -1. */
  ownerOf(slot: number, generation: number): number;
}

/**
 * The directory of one environment, which knows by itself which slots that environment has: nobody else gives or takes
 * them, and its memory is no other thread's.
 */
export class OwnDirectory implements SlotDirectory {
  readonly #directory: SlotDirectory;
  /** The generation in which this environment has a slot, or 0. */
  readonly #held: Uint32Array;

  constructor(directory: SlotDirectory, slotCount: number) {
    this.#directory = directory;
    this.#held = new Uint32Array(slotCount);
  }

  /** Whether this environment has the session. */
  has(slot: number, generation: number): boolean {
    return generation !== 0 && this.#held[slot] === generation;
  }

  bind(slot: number, generation: number): boolean {
    if (!this.#directory.bind(slot, generation)) return false;
    this.#held[slot] = generation;
    return true;
  }

  unbind(slot: number, generation: number): boolean {
    if (!this.#directory.unbind(slot, generation)) return false;
    this.#held[slot] = 0;
    return true;
  }

  boundGeneration(slot: number): number {
    return this.#directory.boundGeneration(slot);
  }

  lastGeneration(slot: number): number {
    return this.#directory.lastGeneration(slot);
  }

  boundCount(): number {
    return this.#directory.boundCount();
  }

  isAlive(claim: number): boolean {
    return this.#directory.isAlive(claim);
  }

  ended(): readonly number[] {
    return this.#directory.ended();
  }

  bury(claim: number): void {
    this.#directory.bury(claim);
  }

  ownerOf(slot: number, generation: number): number {
    return this.#directory.ownerOf(slot, generation);
  }
}
