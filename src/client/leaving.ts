import type { Clock } from "../dispatch/clock.js";

/** Where a server that is about to stop sends a session, and when that goes. */
export class Leaving {
  readonly #clock: Clock;
  readonly #mayGo: () => boolean;
  readonly #go: (target: string) => void;
  #target: string | undefined = undefined;
  #cancel: () => void = () => {};

  /** @param mayGo whether nothing is on its way, of which nobody at the target may know. */
  constructor(clock: Clock, mayGo: () => boolean, go: (target: string) => void) {
    this.#clock = clock;
    this.#mayGo = mayGo;
    this.#go = go;
  }

  /** The server wants it gone at that time. */
  plan(target: string, atMs: number): void {
    this.cancel();
    this.#cancel = this.#clock.at(atMs, () => {
      this.#target = target;
      this.look();
    });
  }

  /** Something has come, which may have been what was waited for. */
  look(): void {
    const target = this.#target;
    if (target === undefined || !this.#mayGo()) return;
    this.#target = undefined;
    this.#go(target);
  }

  /** The connection is gone. */
  cancel(): void {
    this.#cancel();
    this.#target = undefined;
  }
}
