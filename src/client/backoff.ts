import type { Clock } from "../dispatch/clock.js";
import type { Complete } from "../options/complete.js";
import { integer, number, object, option, withDefault } from "../options/schema.js";

/** How a client waits between its tries to come back: longer each time, and by chance. */
export interface BackoffOptions {
  /** How many tries in a row may fail, at least 1, until it gives up; Infinity by default. */
  readonly attempts?: number | undefined;
  /** The longest wait before the first try, 1..86,400,000; 1,000 by default. */
  readonly delayMs?: number | undefined;
  /** The longest wait before any try, 1..86,400,000; 60,000 by default. */
  readonly maxDelayMs?: number | undefined;
  /** By how much the longest wait grows with every try, 1..100; 2 by default. */
  readonly factor?: number | undefined;
  /**
   * How much of each wait is left to chance, 0..1. By default it is 1: anything up to the longest wait, so that clients
   * that have lost the same server do not come back to it all at once. 0 waits for just as long as was asked for.
   */
  readonly jitter?: number | undefined;
}

/** How {@link BackoffOptions} are read. */
export const backoffEntries = {
  attempts: withDefault(option<number>("an integer from 1 on, or Infinity", isAttempts), Infinity),
  delayMs: withDefault(integer(1, 86_400_000), 1_000),
  maxDelayMs: withDefault(integer(1, 86_400_000), 60_000),
  factor: withDefault(number(1, 100), 2),
  jitter: withDefault(number(0, 1), 1),
} satisfies Record<keyof BackoffOptions, unknown>;

export const backoffOptions = object(backoffEntries);

function isAttempts(value: unknown): boolean {
  return value === Infinity || (Number.isInteger(value) && (value as number) >= 1);
}

/**
 * When to try again: exponential backoff with full jitter. Call {@link next} before each try but the very first, and
 * {@link connected} when one has succeeded.
 */
export class Backoff {
  readonly #options: Complete<BackoffOptions>;
  readonly #clock: Clock;
  readonly #random: () => number;
  #tries = 0;
  #connectedAtMs: number | undefined = undefined;

  /** @param random 0..1, 1 excluded. */
  constructor(options: Complete<BackoffOptions>, clock: Clock, random: () => number = Math.random) {
    this.#options = options;
    this.#clock = clock;
    this.#random = random;
  }

  /** Tries since a connection has lasted. */
  get tries(): number {
    return this.#tries;
  }

  /**
   * A connection is there. It counts as one that has lasted when it has held for as long as the next wait may be: one
   * that breaks again and again at once is waited for ever longer.
   */
  connected(): void {
    this.#connectedAtMs = this.#clock.now();
  }

  /** A network is there again, or the machine has woken: what has failed before tells nothing. */
  reset(): void {
    this.#tries = 0;
    this.#connectedAtMs = undefined;
  }

  /**
   * Counts a try.
   * @param retryAfterMs what the server has asked for: it is waited for at the least, and what chance adds comes on top.
   * @returns how long to wait before it, in milliseconds; undefined where there were as many as there may be.
   */
  next(retryAfterMs = 0): number | undefined {
    const { attempts, jitter } = this.#options;
    const lastedMs = this.#connectedAtMs === undefined ? 0 : this.#clock.now() - this.#connectedAtMs;
    this.#connectedAtMs = undefined;
    if (lastedMs >= this.#longestMs()) this.#tries = 0;
    if (this.#tries >= attempts) return undefined;
    const longestMs = this.#longestMs();
    this.#tries += 1;
    const byChanceMs = longestMs * jitter * this.#random();
    const delayMs = longestMs * (1 - jitter) + byChanceMs;
    return delayMs >= retryAfterMs ? delayMs : retryAfterMs + byChanceMs;
  }

  #longestMs(): number {
    const { delayMs, maxDelayMs, factor } = this.#options;
    return Math.min(maxDelayMs, delayMs * factor ** this.#tries);
  }
}
