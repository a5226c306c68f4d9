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
