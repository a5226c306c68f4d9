/** How far over its allowance a sender may go before it is given up, in seconds' worth of messages. */
const patienceSeconds = 10;

/**
 * A token bucket: so many messages a second, twice that at once. What is refused counts as well, so only
 * who stops is heard again.
 */
export class Allowance {
  readonly #perSecond: number;
  /** Below zero where more was sent than is allowed. */
  #tokens: number;
  #refilledAt: number;

  constructor(perSecond: number, now: number) {
    this.#perSecond = perSecond;
    this.#tokens = 2 * perSecond;
    this.#refilledAt = now;
  }

  /** Takes one message: `exhausted` means that it goes on and on in spite of being refused. */
  take(now: number): "granted" | "refused" | "exhausted" {
    const refill = ((now - this.#refilledAt) / 1000) * this.#perSecond;
    this.#tokens = Math.min(2 * this.#perSecond, this.#tokens + refill) - 1;
    this.#refilledAt = now;
    if (this.#tokens >= 0) return "granted";
    return this.#tokens < -patienceSeconds * this.#perSecond ? "exhausted" : "refused";
  }
}
