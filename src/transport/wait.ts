import { AbortedError, TimeoutError } from "../errors.js";
import { readOptions } from "../options/read.js";
import { abortSignal, integer, object, optional } from "../options/schema.js";
import { watchAbort } from "./abort_watch.js";

const MAX_TIMER_MS = 0x7fff_ffff;

/** How long a caller waits for something. */
export interface WaitOptions {
  /** Gives up when it fires: the call rejects with AbortedError. */
  readonly signal?: AbortSignal | undefined;
  /** Gives up after so long, 1..2147483647: the call rejects with TimeoutError. Unlimited by default. */
  readonly timeoutMs?: number | undefined;
}

/** How {@link WaitOptions} are read. */
export const waitOptions = {
  signal: optional(abortSignal),
  timeoutMs: optional(integer(1, MAX_TIMER_MS)),
} satisfies Record<keyof WaitOptions, unknown>;

const schema = object(waitOptions);

/** @throws InvalidArgumentError */
export function readWait(options: WaitOptions): WaitOptions {
  return readOptions(schema, options);
}

/**
 * Watches a signal and a clock for one who waits; `giveUp` is called at most once, with AbortedError or TimeoutError.
 * @returns ends the watch; call it when the wait is over.
 */
export function watchWait(
  what: string,
  { signal, timeoutMs }: WaitOptions,
  giveUp: (error: AbortedError | TimeoutError) => void,
): () => void {
  const end = () => {
    clearTimeout(timer);
    stop();
  };
  const onAbort = () => {
    end();
    giveUp(abortedError(what, signal));
  };
  const timer =
    timeoutMs === undefined
      ? undefined
      : setTimeout(() => {
          end();
          giveUp(new TimeoutError(`${what} took longer than ${timeoutMs} ms`));
        }, timeoutMs);
  const stop = watchAbort(signal, onAbort);
  if (signal?.aborted) queueMicrotask(onAbort);
  return end;
}

/** @throws AbortedError where the signal has fired already. */
export function throwIfAborted(what: string, signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw abortedError(what, signal);
}

/**
 * The promise's outcome, unless the caller's patience ends first. What was begun goes on.
 * @throws AbortedError, TimeoutError; whatever the promise rejects with.
 */
export function within<T>(promise: Promise<T>, what: string, wait: WaitOptions): Promise<T> {
  if (wait.signal === undefined && wait.timeoutMs === undefined) return promise;
  return new Promise((resolve, reject) => {
    const end = watchWait(what, wait, reject);
    promise.then(resolve, reject).finally(end);
  });
}

/**
 * Begins something and waits for it as long as the caller does. What was begun goes on.
 * @throws InvalidArgumentError, AbortedError where nothing was begun; TimeoutError, AbortedError; whatever it rejects with.
 */
export async function bounded<T>(what: string, options: WaitOptions, begin: () => Promise<T>): Promise<T> {
  const wait = readWait(options);
  throwIfAborted(what, wait.signal);
  return within(begin(), what, wait);
}

/** What is told to one whose signal has fired. */
export function abortedError(what: string, signal: AbortSignal | undefined): AbortedError {
  return new AbortedError(`${what} was cancelled by the caller's signal`, { cause: signal?.reason });
}
