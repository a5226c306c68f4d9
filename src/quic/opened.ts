import { Flag } from "../native/constants.js";

/** What became of early data. @param flags of the engine's event. */
export function earlyDataAccepted(flags: number): boolean | undefined {
  if ((flags & Flag.openedEarlyAccepted) !== 0) return true;
  return (flags & Flag.openedEarlyRefused) !== 0 ? false : undefined;
}

/** Whether a handshake is complete, and what came of it. The promise is made for who asks: few do. */
export class Opened {
  #flags: number | undefined;
  #error: Error | undefined;
  #promise: Promise<void> | undefined;
  #settle: (() => void) | undefined;

  get is(): boolean {
    return this.#flags !== undefined;
  }

  get resumed(): boolean {
    return ((this.#flags ?? 0) & Flag.openedResumed) !== 0;
  }

  get earlyDataAccepted(): boolean | undefined {
    return earlyDataAccepted(this.#flags ?? 0);
  }

  get promise(): Promise<void> {
    this.#promise ??= new Promise((resolve, reject) => {
      this.#settle = () => {
        if (this.#flags !== undefined) resolve();
        else if (this.#error !== undefined) reject(this.#error);
      };
      this.#settle();
    });
    return this.#promise;
  }

  /** @param flags of the engine's event. */
  complete(flags: number): void {
    this.#flags = flags;
    this.#settle?.();
  }

  /** It never was, and will not be. */
  fail(error: Error): void {
    this.#error = error;
    this.#settle?.();
  }
}
