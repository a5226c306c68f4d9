/** How often a server looks at what time has brought: acknowledgements owed, deadlines, the next slice of its sessions. */
export const turnMs = 50;

/** The most that one turn lets pass: an event loop that stood still does not make its peers look silent. */
const maxTurnMs = 4 * turnMs;

/**
 * One timer for all of a server's sessions. Its time is that in which the event loop ran: milliseconds, modulo 2^32.
 */
export class Clock {
  readonly #now: () => number;
  readonly #timer: NodeJS.Timeout;
  #last: number;
  /** The time of the last turn: what the hot path needs costs no call. */
  tick = 1;

  /** @param turn called every 50 ms. @param now a monotonic clock in milliseconds. */
  constructor(turn: (tick: number) => void, now: () => number = () => performance.now()) {
    this.#now = now;
    this.#last = now();
    this.#timer = setInterval(() => turn(this.#advance()), turnMs);
  }

  #advance(): number {
    const now = this.#now();
    this.tick = (this.tick + Math.min(Math.round(now - this.#last), maxTurnMs)) >>> 0;
    this.#last = now;
    return this.tick;
  }

  /** Milliseconds from a tick to now. */
  since(tick: number): number {
    return (this.tick - tick) >>> 0;
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}
