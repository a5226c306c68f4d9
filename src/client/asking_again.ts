import type { Reply } from "../delivery/failure.js";
import type { RequestBudget } from "../delivery/pending_requests.js";
import type { Clock } from "../dispatch/clock.js";
import type { abortedError } from "../transport/wait.js";
import type { Attempt } from "./attempt.js";
import type { Backoff } from "./backoff.js";
import type { pause } from "./clock.js";

/** What a page has loaded already: given, so that what it loads later is no more than what is here. */
export interface Tools {
  readonly Backoff: typeof Backoff;
  readonly Attempt: typeof Attempt;
  readonly pause: typeof pause;
  readonly abortedError: typeof abortedError;
  /** Whether asking again may help. */
  readonly mayPass: (reply: Reply & { readonly status: "failure" }, hasId: boolean) => boolean;
  /** What is told where the session has ended. */
  readonly lost: Reply;
}

/** How often a request is asked again, and for how long in all. */
export interface Retries {
  /** How many times at the most. */
  readonly retries: number;
  /** The longest wait before the first of them; it doubles with each. */
  readonly retryDelayMs: number;
  /** By the clock: what would come behind it is not asked. */
  readonly deadlineMs: number;
  readonly signal: AbortSignal | undefined;
  /** It has a `messageId`. */
  readonly hasId: boolean;
}

const maxDelayMs = 60_000;

/** Asks again what one session was refused, and what may be done twice. A page loads it where it needs it. */
export class AskingAgain {
  readonly #tools: Tools;
  readonly #clock: Clock;
  readonly #budget: RequestBudget;
  readonly #waits = new Set<Attempt>();
  #hasEnded = false;

  /** @param budget what waits to be asked again has its place there, as what waits for its answer has. */
  constructor(tools: Tools, clock: Clock, budget: RequestBudget) {
    this.#tools = tools;
    this.#clock = clock;
    this.#budget = budget;
  }

  /**
   * @param reply what became of the request at first
   * @param ask asks again, and waits so long.
   * @returns what became of it at last: also where no time is left for another try, or no place.
   * @throws AbortedError; what `ask` throws
   */
  async go(reply: Reply, ask: (timeoutMs: number) => Promise<Reply>, how: Retries): Promise<Reply> {
    const { retries: attempts, retryDelayMs: delayMs, deadlineMs, signal, hasId } = how;
    const { Backoff, mayPass, lost } = this.#tools;
    const backoff = new Backoff({ attempts, delayMs, maxDelayMs, factor: 2, jitter: 1 }, this.#clock);
    let last = reply;
    while (last.status === "failure" && mayPass(last, hasId)) {
      const waitMs = backoff.next(last.retryAfterMs);
      if (waitMs === undefined || this.#clock.now() + waitMs >= deadlineMs || !this.#hasRoom()) return last;
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
    const { Attempt, pause, abortedError } = this.#tools;
    const wait = new Attempt(signal);
    this.#waits.add(wait);
    try {
      if (!this.#hasEnded) await pause(this.#clock, ms, wait.signal);
    } catch {
      if (!this.#hasEnded) throw abortedError("a request", signal);
    } finally {
      this.#waits.delete(wait);
      wait.end();
    }
  }
}
