import { type Failure, FailureCode, type Reply } from "../delivery/failure.js";
import type { RequestBudget } from "../delivery/pending_requests.js";
import type { RetryOptions } from "../delivery/send_options.js";
import type { Clock } from "../dispatch/clock.js";
import { abortedError, type WaitOptions } from "../transport/wait.js";
import { Attempt } from "./attempt.js";
import { Backoff } from "./backoff.js";
import { pause } from "./clock.js";
import type { ReadClientOptions } from "./options.js";

/** Of other failures than these the other side says itself that they pass, by a time after which to come again. */
const passing: readonly number[] = [FailureCode.overloaded, FailureCode.timeout, FailureCode.goingAway];
const lost: Reply = { status: "failure", code: FailureCode.lost, reason: "the session ended" };
const maxDelayMs = 60_000;

/** Asks what may be done twice: again, where it was refused for a while, and that is wanted. */
export class Repeater {
  readonly #options: ReadClientOptions;
  readonly #clock: Clock;
  readonly #budget: RequestBudget;
  readonly #waits = new Set<Attempt>();
  #hasEnded = false;

  /** @param budget what waits to be asked again has its place there, as what waits for its answer has. */
  constructor(options: ReadClientOptions, clock: Clock, budget: RequestBudget) {
    this.#options = options;
    this.#clock = clock;
    this.#budget = budget;
  }

  /**
   * @param ask asks once, and waits so long.
   * @param hasId what is asked has a `messageId`.
   * @returns what became of it at last: also where no time is left for another try, or no place.
   * @throws what `ask` throws; AbortedError
   */
  async ask(
    ask: (timeoutMs: number) => Promise<Reply>,
    { timeoutMs = this.#options.requestTimeoutMs, signal, ...options }: WaitOptions & RetryOptions,
    hasId = false,
  ): Promise<Reply> {
    const { retries: attempts = this.#options.requestRetries } = options;
    const { retryDelayMs: delayMs = this.#options.requestRetryDelayMs } = options;
    if (attempts === 0) return ask(timeoutMs);
    const deadlineMs = this.#clock.now() + timeoutMs;
    const backoff = new Backoff({ attempts, delayMs, maxDelayMs, factor: 2, jitter: 1 }, this.#clock);
    let last = await ask(timeoutMs);
    while (last.status === "failure" && mayPass(last, hasId)) {
      const waitMs = backoff.next(last.retryAfterMs);
      const isLate = waitMs === undefined || this.#clock.now() + waitMs >= deadlineMs;
      if (isLate || this.#hasEnded || !this.#hasRoom()) return last;
      try {
        await this.#wait(waitMs, signal);
      } finally {
        this.#budget.giveBack();
      }
      if (this.#hasEnded) return lost;
      last = await ask(Math.max(1, Math.ceil(deadlineMs - this.#clock.now())));
    }
    return last;
  }

  /** The session is over: who waits hears it at once. */
  end(): void {
    this.#hasEnded = true;
    for (const wait of this.#waits) wait.callOff(new Error("the session ended"));
  }

  #hasRoom(): boolean {
    try {
      this.#budget.take();
      return true;
    } catch {
      return false;
    }
  }

  /** @throws AbortedError */
  async #wait(ms: number, signal: AbortSignal | undefined): Promise<void> {
    const wait = new Attempt(signal);
    this.#waits.add(wait);
    try {
      await pause(this.#clock, ms, wait.signal);
    } catch {
      if (!this.#hasEnded) throw abortedError("a request", signal);
    } finally {
      this.#waits.delete(wait);
      wait.end();
    }
  }
}

/** Whether asking again may help. */
function mayPass({ code, retryAfterMs }: Failure, hasId: boolean): boolean {
  // What took too long may be done in part, and is answered so each time under its id.
  return retryAfterMs !== undefined || (passing.includes(code) && !(hasId && code === FailureCode.timeout));
}
