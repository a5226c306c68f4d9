import { abortedError } from "../transport/wait.js";

/** Connecting that goes on: until it is done, the application's signal fires, or whoever began it calls it off. */
export class Attempt {
  readonly #controller = new AbortController();
  readonly #outer: AbortSignal | undefined;
  readonly #onAbort: () => void;

  constructor(outer: AbortSignal | undefined) {
    this.#outer = outer;
    this.#onAbort = () => this.callOff(abortedError("connecting", outer));
    if (outer?.aborted) this.#onAbort();
    else outer?.addEventListener("abort", this.#onAbort, { once: true });
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

  end(): void {
    this.#outer?.removeEventListener("abort", this.#onAbort);
  }
}
