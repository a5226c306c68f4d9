import { FailureCode, type Reply } from "../delivery/failure.js";
import type { RequestBudget } from "../delivery/pending_requests.js";
import type { RetryOptions } from "../delivery/send_options.js";
import type { Clock } from "../dispatch/clock.js";
import { abortedError, type WaitOptions } from "../transport/wait.js";
import type { AskingAgain, Tools } from "./asking_again.js";
import { Attempt } from "./attempt.js";
import { Backoff } from "./backoff.js";
import { pause } from "./clock.js";
import type { ReadClientOptions } from "./options.js";

/** Of other failures than these the other side says itself that they pass, by a time after which to come again. */
const passing: readonly number[] = [FailureCode.overloaded, FailureCode.timeout, FailureCode.goingAway];
const mayPass: Tools["mayPass"] = ({ code, retryAfterMs }) =>
  retryAfterMs !== undefined || passing.includes(code);
const lost: Reply = { status: "failure", code: FailureCode.lost, reason: "the session ended" };

/** What {@link AskingAgain} needs, and is there already. */
export const tools: Tools = { Backoff, Attempt, pause, abortedError, mayPass, lost };

/** Asks what may be done twice: again, where it was refused for a while, and that is wanted. */
export class Repeater {
  readonly #options: ReadClientOptions;
  readonly #clock: Clock;
  readonly #budget: RequestBudget;
  /** As soon as something is to be asked again. */
  #again: AskingAgain | undefined = undefined;
  #hasEnded = false;

  constructor(options: ReadClientOptions, clock: Clock, budget: RequestBudget) {
    this.#options = options;
    this.#clock = clock;
    this.#budget = budget;
  }

  /** @param ask asks once, and waits so long. @throws what `ask` throws; AbortedError */
  async ask(
    ask: (timeoutMs: number) => Promise<Reply>,
    { timeoutMs = this.#options.requestTimeoutMs, signal, ...options }: WaitOptions & RetryOptions,
  ): Promise<Reply> {
    const { retries = this.#options.requestRetries } = options;
    const { retryDelayMs = this.#options.requestRetryDelayMs } = options;
    const deadlineMs = this.#clock.now() + timeoutMs;
    const first = ask(timeoutMs);
    if (retries === 0) return first;
    // While the first is on its way; where that cannot be loaded, it is asked once.
    const loading = import("./asking_again.js").catch(() => undefined);
    const reply = await first;
    if (reply.status !== "failure" || !mayPass(reply)) return reply;
    const loaded = await loading;
    if (loaded === undefined || this.#hasEnded) return reply;
    this.#again ??= new loaded.AskingAgain(tools, this.#clock, this.#budget);
    return this.#again.go(reply, ask, { retries, retryDelayMs, deadlineMs, signal });
  }

  /** The session is over. */
  end(): void {
    this.#hasEnded = true;
    this.#again?.end();
  }
}
