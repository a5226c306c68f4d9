/** Who has which slot, in memory that no other script can write: as much as a table asks for, of one environment. */
export interface SlotHolders {
  /** What this environment has, as `table_layout.h` draws it. Without elements once it has left. */
  readonly own: Int32Array;
  /**
   * Gives the slot to this environment, for a session of a generation that none had there.
   * @returns that generation, or 0 when some environment has the slot.
   */
  bind(slot: number): number;
  /** Ends that. False when this environment has no such session. */
  unbind(slot: number, generation: number): boolean;
  /**
   * Gives a slot that some environment keeps to this one, and writes this one's claim there, in one step.
   * @returns the handle of its session, or 0 when none is kept.
   */
  steal(): number;
  /** Whether some environment has the slot: for a session, or kept. */
  isHeld(slot: number): boolean;
  /** How many slots are so, of all environments. */
  heldCount(): number;
  /** The environment that has the session, or -1. */
  ownerOf(slot: number, generation: number): number;
}

/** What a table is checked against and put in order by. Every environment of the table has the same one. */
export interface SlotDirectory extends SlotHolders {
  /** The generation of the session that lives in the slot, or 0. */
  boundGeneration(slot: number): number;
  /** The last generation in which one did. */
  lastGeneration(slot: number): number;
  /** Whether the environment with this claim lives. */
  isAlive(claim: number): boolean;
  /** The claims of environments that have ended and may have something in the table still. */
  ended(): readonly number[];
  /** Says that nothing in the table has this claim any more. */
  bury(claim: number): void;
}
