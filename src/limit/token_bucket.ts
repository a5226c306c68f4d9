import { InvalidArgumentError } from "../errors.js";
import { show } from "../options/read.js";

/**
 * How fast something may go: so many a second on average, and so many at once. One object for all the buckets that
 * it holds for; it never changes, so a new limit is a new rate, which each bucket {@link TokenBucket.adopt}s.
 */
export class Rate {
  readonly perSecond: number;
  readonly burst: number;
  /** What one token takes to come back, in milliseconds. */
  readonly tokenMs: number;
  /** What an empty bucket takes to be full, in milliseconds. */
  readonly spanMs: number;

  /**
   * @param perSecond above 0, up to 1e9; a fraction allows less than one a second.
   * @param burst at least 1, up to 1e12; what comes in one second by default.
   * @throws InvalidArgumentError
   */
  constructor(perSecond: number, burst: number = Math.max(1, perSecond)) {
    if (!isWithin(perSecond, Number.MIN_VALUE, 1e9) || perSecond < 1e-6) {
      throw new InvalidArgumentError(
        `perSecond must be a number from 0.000001 to 1e9, and not ${show(perSecond)}`,
      );
    }
    if (!isWithin(burst, 1, 1e12)) {
      throw new InvalidArgumentError(`burst must be a number from 1 to 1e12, and not ${show(burst)}`);
    }
    this.perSecond = perSecond;
    this.burst = burst;
    this.tokenMs = 1000 / perSecond;
    this.spanMs = burst * this.tokenMs;
  }
}

function isWithin(value: unknown, min: number, max: number): boolean {
  return typeof value === "number" && value >= min && value <= max;
}

/**
 * A token bucket of one number: the time at which it is full again (the generic cell rate algorithm). Nothing runs
 * while nobody takes, and a bucket that is full is worth no memory: it may be dropped, and a new one made later.
 *
 * Who takes more than the bucket holds is granted it when the bucket is full, and pays afterwards: else a message
 * larger than the burst would wait for ever.
 *
 * Times are milliseconds of a clock that never goes back, such as `performance.now()`.
 */
export class TokenBucket {
  #rate: Rate;
  #fullAtMs = Number.NEGATIVE_INFINITY;

  /** It is full. */
  constructor(rate: Rate) {
    this.#rate = rate;
  }

  /** Takes `n` tokens, or none where that many are not there. */
  take(n: number, nowMs: number): boolean {
    if (this.waitMs(n, nowMs) > 0) return false;
    this.#fullAtMs = Math.max(this.#fullAtMs, nowMs) + n * this.#rate.tokenMs;
    return true;
  }

  /**
   * Takes `n` tokens whether they are there or not: for what has happened already.
   * @returns the milliseconds until the bucket has paid for it; 0 where they were there.
   */
  charge(n: number, nowMs: number): number {
    this.#fullAtMs = Math.max(this.#fullAtMs, nowMs) + n * this.#rate.tokenMs;
    return this.waitMs(0, nowMs);
  }

  /** The milliseconds until `n` tokens can be taken; 0 where they can now. */
  waitMs(n: number, nowMs: number): number {
    const { burst, tokenMs, spanMs } = this.#rate;
    return Math.max(0, this.#fullAtMs - nowMs + Math.min(n, burst) * tokenMs - spanMs);
  }

  /** Whether nothing is missing from it, so that a new bucket would be the same. */
  isFull(nowMs: number): boolean {
    return this.#fullAtMs <= nowMs;
  }

  /** Goes on with another rate: what has been taken stays taken, up to one burst. */
  adopt(rate: Rate, nowMs: number): void {
    const missing = Math.max(0, this.#fullAtMs - nowMs) / this.#rate.tokenMs;
    this.#rate = rate;
    this.#fullAtMs = nowMs + Math.min(missing, rate.burst) * rate.tokenMs;
  }
}
