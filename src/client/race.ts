import { RejectCode } from "../delivery/reject.js";
import type { Clock } from "../dispatch/clock.js";
import { ConnectFailedError, SessionRefusedError } from "../errors.js";
import { abortedError, throwIfAborted } from "../transport/wait.js";

/** One server may refuse whom another lets in: it is not the one to ask, or could not tell. */
const ofOneServer: ReadonlySet<number> = new Set([
  RejectCode.elsewhere,
  RejectCode.internal,
  RejectCode.timeout,
]);

/** How {@link race} is run. @typeParam T what is dialled: a connection that has been welcomed, and not committed. */
export interface RaceOptions<T> {
  /** How long the first is alone, in milliseconds; 0 starts all at once. */
  readonly headStartMs: number;
  /** Resolves with true where the first gets no head start after all. It may be late; it must not reject. */
  readonly noHeadStart?: Promise<boolean> | undefined;
  /** Connects; rejects soon after its signal has fired, and leaves nothing open then. Throws nothing. */
  readonly dial: (url: string, signal: AbortSignal) => Promise<T>;
  /** Closes what came in spite of its signal. */
  readonly discard: (late: T) => void;
  readonly clock: Clock;
  /** Ends the race. */
  readonly signal?: AbortSignal | undefined;
}

/** How far one of a race has come. */
export interface Entrant {
  readonly url: string;
  /** By the race's clock; undefined where it was not needed. */
  readonly startedAtMs: number | undefined;
  /** Why it has failed; undefined where it has not, or not yet. */
  readonly error: unknown;
}

/** How a race ended. */
export interface RaceResult<T> {
  readonly value: T;
  /** The winner's. */
  readonly url: string;
  /** By the race's clock. */
  readonly endedAtMs: number;
  /** All, in their order, as they stood when the race ended. */
  readonly entrants: readonly Entrant[];
}

/**
 * Dials several URLs, and takes the first that succeeds. The first URL has a head start; the others start together when
 * that is over, or as soon as the first has failed. When one has succeeded the rest are aborted and not waited for, and
 * one of them that succeeds all the same is discarded: so only the winner is ever committed.
 * @param urls at least one, the most wanted first: see `byPreference`.
 * @throws SessionRefusedError as soon as a server refuses the client: it would on any transport. Where it names another
 *   server (`elsewhere`) the race goes on.
 * @throws ConnectFailedError where all have failed; where there is but one, its own error
 * @throws AbortedError at once when the signal fires
 */
export async function race<T>(urls: readonly string[], options: RaceOptions<T>): Promise<RaceResult<T>> {
  throwIfAborted("connecting", options.signal);
  return new Race(urls, options).run();
}

class Runner implements Entrant {
  readonly url: string;
  readonly controller = new AbortController();
  startedAtMs: number | undefined = undefined;
  isDone = false;
  error: unknown = undefined;

  constructor(url: string) {
    this.url = url;
  }
}

class Race<T> {
  readonly #runners: readonly Runner[];
  readonly #options: RaceOptions<T>;
  #endHeadStart: () => void = () => {};
  #isOver = false;
  #resolve!: (result: RaceResult<T>) => void;
  #reject!: (cause: unknown) => void;

  constructor(urls: readonly string[], options: RaceOptions<T>) {
    this.#runners = urls.map((url) => new Runner(url));
    this.#options = options;
  }

  run(): Promise<RaceResult<T>> {
    const { clock, headStartMs, noHeadStart, signal } = this.#options;
    const onAbort = () => this.#end(() => this.#reject(abortedError("connecting", signal)));
    const result = new Promise<RaceResult<T>>((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    signal?.addEventListener("abort", onAbort, { once: true });
    this.#start(this.#runners[0]!);
    if (headStartMs > 0) {
      this.#endHeadStart = clock.at(clock.now() + headStartMs, () => this.#startAll());
      noHeadStart?.then((is) => is && this.#startAll());
    } else this.#startAll();
    return result.finally(() => signal?.removeEventListener("abort", onAbort));
  }

  #startAll(): void {
    if (this.#isOver) return;
    this.#endHeadStart();
    for (const runner of this.#runners) if (runner.startedAtMs === undefined) this.#start(runner);
  }

  #start(runner: Runner): void {
    const { clock, dial, discard } = this.#options;
    runner.startedAtMs = clock.now();
    dial(runner.url, runner.controller.signal).then(
      (value) => (this.#isOver ? discard(value) : this.#win(runner, value)),
      (error) => this.#isOver || this.#fail(runner, error),
    );
  }

  #win(winner: Runner, value: T): void {
    const { clock } = this.#options;
    const entrants = this.#runners.map(({ url, startedAtMs, error }) => ({ url, startedAtMs, error }));
    winner.isDone = true;
    this.#end(() => this.#resolve({ value, url: winner.url, endedAtMs: clock.now(), entrants }));
  }

  #fail(runner: Runner, error: unknown): void {
    runner.isDone = true;
    runner.error = error;
    const isOnly = this.#runners.length === 1;
    if (isOnly || (error instanceof SessionRefusedError && !ofOneServer.has(error.rejectCode))) {
      this.#end(() => this.#reject(error));
    } else if (this.#runners.every(({ isDone }) => isDone)) {
      this.#end(() =>
        this.#reject(new ConnectFailedError(explain(this.#runners), { errors: this.#runners })),
      );
    } else this.#startAll();
  }

  /** Whoever still runs is told to stop. */
  #end(settle: () => void): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#endHeadStart();
    settle();
    for (const { isDone, controller } of this.#runners) if (!isDone) controller.abort();
  }
}

function explain(failed: readonly Entrant[]): string {
  const each = failed.map(({ url, error }) => `${url}: ${error instanceof Error ? error.message : error}`);
  return `no connection by any of ${failed.length} URLs: ${each.join("; ")}`;
}
