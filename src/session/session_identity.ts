/** What does not change while a session is open. */
export interface SessionIdentity {
  /** Which kind of connection carries it, 0 to 2^32 - 1; what the numbers mean is the caller's business. */
  readonly transport: number;
  /** Which of its owner's connections, 0 to 2^32 - 1. */
  readonly connection: number;
  /** 128 bits, as four words. */
  readonly id: Uint32Array;
}
