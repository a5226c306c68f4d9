import { watchAbort } from "../transport/abort_watch.js";
import { abortedError } from "../transport/wait.js";

/** Connecting that goes on: until it is done, the application's signal fires, or whoever began it calls it off. */
export class Attempt {
  readonly #controller = new AbortController();
  /** Ends the watch of the application's signal. */
  readonly end: () => void;

  constructor(outer: AbortSignal | undefined) {
    const onAbort = () => this.callOff(abortedError("connecting", outer));
    this.end = watchAbort(outer, onAbort);
    if (outer?.aborted) onAbort();
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** What went wrong: the reason why it was called off, where it was. */
  causeOf(cause: unknown): unknown {
    return this.signal.aborted ? this.signal.reason : cause;
  }

  callOff(reason: Error): void {
    this.#controller.abort(reason);
    this.end();
  }
}

/** Those of one session, of which one goes on at a time. */
export class Attempts {
  readonly #outer: AbortSignal | undefined;
  #current: Attempt | undefined = undefined;

  constructor(outer: AbortSignal | undefined) {
    this.#outer = outer;
  }

  /** Whether one goes on. */
  get isTrying(): boolean {
    return this.#current !== undefined;
  }

  begin(): Attempt {
    this.#current = new Attempt(this.#outer);
    return this.#current;
  }

  callOff(reason: Error): void {
    this.#current?.callOff(reason);
  }

  /** One has come to its end, in whose place there may be another. */
  finish(attempt: Attempt): void {
    attempt.end();
    if (this.#current === attempt) this.#current = undefined;
  }
}
