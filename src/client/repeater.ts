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
const mayPass: Tools["mayPass"] = ({ code, retryAfterMs }, hasId) =>
  // What took too long may be done in part, and is answered so each time under its id.
  retryAfterMs !== undefined || (passing.includes(code) && !(hasId && code === FailureCode.timeout));
const lost: Reply = { status: "failure", code: FailureCode.lost, reason: "the session ended" };

/** What {@link AskingAgain} needs, and is there already. */
export const tools: Tools = { Backoff, Attempt, pause, abortedError, mayPass, lost };

const loadAskingAgain = () => import("./asking_again.js");

/** Asks what may be done twice: again, where it was refused for a while, and that is wanted. */
export class Repeater {
  readonly #options: ReadClientOptions;
  readonly #clock: Clock;
  readonly #budget: RequestBudget;
  /** As soon as something is to be asked again. */
  #again: AskingAgain | undefined = undefined;
  readonly #load: () => Promise<{ readonly AskingAgain: typeof AskingAgain }>;
  /** Those that wait for it to be loaded. */
  readonly #waits = new Set<Attempt>();
  #hasEnded = false;

  constructor(options: ReadClientOptions, clock: Clock, budget: RequestBudget, load = loadAskingAgain) {
    this.#options = options;
    this.#clock = clock;
    this.#budget = budget;
    this.#load = load;
  }

  /** @param ask asks once, and waits so long. @param hasId what is asked has a `messageId`. @throws what `ask` throws; AbortedError */
  async ask(
    ask: (timeoutMs: number) => Promise<Reply>,
    { timeoutMs = this.#options.requestTimeoutMs, signal, ...options }: WaitOptions & RetryOptions,
    hasId = false,
  ): Promise<Reply> {
    const { retries = this.#options.requestRetries } = options;
    const { retryDelayMs = this.#options.requestRetryDelayMs } = options;
    const deadlineMs = this.#clock.now() + timeoutMs;
    const first = ask(timeoutMs);
    if (retries === 0) return first;
    // While the first is on its way; where that cannot be loaded, it is asked once.
    const loading = this.#again ? undefined : this.#load().catch(() => undefined);
    const reply = await first;
    if (reply.status !== "failure" || !mayPass(reply, hasId)) return reply;
    const loaded = this.#again ? undefined : await this.#within(loading, deadlineMs, signal);
    if (this.#hasEnded) return reply;
    if (loaded) this.#again ??= new loaded.AskingAgain(tools, this.#clock, this.#budget);
    return this.#again === undefined
      ? reply
      : this.#again.go(reply, ask, { retries, retryDelayMs, deadlineMs, signal, hasId });
  }

  /** What is loaded, unless the request's time or the session ends first. @throws AbortedError */
  async #within<T>(loading: T, deadlineMs: number, signal: AbortSignal | undefined) {
    const wait = new Attempt(signal);
    this.#waits.add(wait);
    try {
      return await Promise.race([loading, pause(this.#clock, deadlineMs - this.#clock.now(), wait.signal)]);
    } catch {
      if (this.#hasEnded) return undefined;
      throw abortedError("a request", signal);
    } finally {
      this.#waits.delete(wait);
      wait.callOff(new Error("nobody waits"));
    }
  }

  /** The session is over. */
  end(): void {
    this.#hasEnded = true;
    for (const wait of this.#waits) wait.callOff(new Error("the session ended"));
    this.#again?.end();
  }
}
