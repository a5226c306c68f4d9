/** One way to keep sessions, under the same work as every other. */
export interface Subject {
  /** Opens as many sessions as there are to be. */
  fill(): void;
  /** So often: one session ends and another begins in its place, and some session has traffic. */
  mix(count: number): void;
  /** From here on, every session is found by its id. */
  index(): void;
  /** The mix, where sessions are found by their ids as well. */
  mixWithIds(count: number): void;
  /** Some session's numbers are read, by its handle. */
  lookup(count: number): void;
  /** Some session is found by its id. */
  find(count: number): void;
  /** Looks for sessions without traffic. @returns how many it looked at. */
  sweep(): number;
}

/** Nanoseconds an operation, and what else one process measured; the Rust program prints the same. */
export interface Figures {
  readonly mix: number;
  readonly mixWithIds: number;
  readonly lookup: number;
  readonly find: number;
  readonly sweep: number;
  readonly bytesPerSession: number;
  /** Of the mix: what the collector stopped it for, in all and at most. */
  readonly pauseMs: number;
  readonly longestPauseMs: number;
}

/** The sessions' numbers, and the random order in which all subjects use them. */
export class Order {
  readonly numbers: Float64Array;
  #state = 0x2545f491;

  constructor(count: number) {
    this.numbers = new Float64Array(count);
  }

  /** Where some number is. */
  next(): number {
    let state = this.#state;
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    this.#state = state;
    return (state >>> 0) % this.numbers.length;
  }
}

/** A session's id is made of its number, which may have 49 bits. */
export function writeId(id: Uint32Array, number: number): void {
  id[0] = number;
  id[1] = Math.imul(number, 0x9e3779b1);
  id[2] = Math.imul(number, 0x85ebca6b);
  id[3] = number / 2 ** 32;
}
