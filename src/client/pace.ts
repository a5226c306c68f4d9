/** No network that forgets sooner than twice this is worth so many pings. */
const leastMs = 5_000;
/** What a network was taken for is doubted so often. */
const doubtAfterMs = 3_600_000;

/**
 * How often a client lets its server hear of it. A NAT, or a firewall, that forgets who is silent shows by that alone: the
 * ping behind a silence has no answer, and the connection is lost. Silences are half as long from then on. A network that
 * was down for a moment looks alike, so they are twice as long again after an hour, as far as the two sides have agreed.
 */
export class Pace {
  #mostMs = Number.POSITIVE_INFINITY;
  #sinceMs = 0;

  /** How long a connection may be silent on which `agreedMs` are agreed. */
  everyMs(agreedMs: number, nowMs: number): number {
    while (this.#mostMs < agreedMs && nowMs - this.#sinceMs >= doubtAfterMs) {
      this.#mostMs *= 2;
      this.#sinceMs += doubtAfterMs;
    }
    return Math.min(agreedMs, this.#mostMs);
  }

  /** A connection has ended, on which there was silence between pings, and then no answer to one. */
  lost(everyMs: number, nowMs: number): void {
    if (everyMs <= leastMs) return;
    this.#mostMs = Math.max(leastMs, everyMs / 2);
    this.#sinceMs = nowMs;
  }
}
