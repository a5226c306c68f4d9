import { type WaitOptions, watchWait } from "./wait.js";

/** Those who wait for the same thing to happen. */
export class Waiters {
  readonly #waiting = new Set<() => void>();

  /**
   * Resolves at the next {@link wake}.
   * @param what as errors call it: "the handlers to finish".
   * @throws TimeoutError, AbortedError when it takes longer than the options say.
   */
  wait(what: string, options: WaitOptions): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = (end: () => void) => {
        this.#waiting.delete(onWake);
        unwatch();
        end();
      };
      const onWake = () => settle(resolve);
      this.#waiting.add(onWake);
      const unwatch = watchWait(what, options, (error) => settle(() => reject(error)));
    });
  }

  /** Whether nobody waits. */
  get isEmpty(): boolean {
    return this.#waiting.size === 0;
  }

  /** It has happened. */
  wake(): void {
    for (const onWake of this.#waiting) onWake();
  }
}
