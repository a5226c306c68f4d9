import { LinkedList } from "../list/linked_list.js";
import type { Call } from "./call.js";
import type { Clock } from "./clock.js";

/**
 * Calls that end after a constant time each, so that the first to have begun is the first to be due: to enter and leave
 * costs the same whatever their number, and there is one timer for all.
 */
export class Deadlines {
  readonly #calls = new LinkedList<Call>();
  readonly #clock: Clock;
  readonly #due: (call: Call) => void;
  #delayMs: number;
  #cancelTimer: (() => void) | undefined;

  /** @param due is told of each call that is due, which is in the list no more. */
  constructor(clock: Clock, delayMs: number, due: (call: Call) => void) {
    this.#clock = clock;
    this.#delayMs = delayMs;
    this.#due = due;
  }

  /** Also for the calls that are in it. Infinity: none is ever due. */
  set delayMs(delayMs: number) {
    this.#delayMs = delayMs;
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    this.#arm();
  }

  add(call: Call): void {
    call.sinceMs = this.#clock.now();
    this.#calls.push(call);
    this.#arm();
  }

  /** The timer stays: it looks for who is first when it fires, which is cheaper than to set one for each call. */
  remove(call: Call): void {
    this.#calls.remove(call);
  }

  #arm(): void {
    const first = this.#calls.first;
    if (first === undefined || this.#cancelTimer !== undefined || this.#delayMs === Number.POSITIVE_INFINITY)
      return;
    this.#cancelTimer = this.#clock.at(first.sinceMs + this.#delayMs, this.#check);
  }

  readonly #check = (): void => {
    this.#cancelTimer = undefined;
    const nowMs = this.#clock.now();
    for (;;) {
      const call = this.#calls.first;
      if (call === undefined || call.sinceMs + this.#delayMs > nowMs) break;
      this.#calls.remove(call);
      this.#due(call);
    }
    this.#arm();
  };
}
