import type { Clock } from "./clock.js";

/** Things that all have the same time from when they were added: the oldest is always first. */
export class DeadlineQueue<T> {
  readonly #added = new Map<T, number>();
  readonly #clock: Clock;
  /** Also for those that are in it. */
  timeoutMs: number;

  constructor(clock: Clock, timeoutMs: number) {
    this.#clock = clock;
    this.timeoutMs = timeoutMs;
  }

  get size(): number {
    return this.#added.size;
  }

  add(item: T): void {
    this.#added.delete(item); // so that it goes to the end
    this.#added.set(item, this.#clock.tick);
  }

  delete(item: T): boolean {
    return this.#added.delete(item);
  }

  /** Takes out those whose time is over. */
  expire(expired: (item: T) => void): void {
    for (const [item, since] of this.#added) {
      if (this.#clock.since(since) < this.timeoutMs) return;
      this.#added.delete(item);
      expired(item);
    }
  }
}
