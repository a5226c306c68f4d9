import { unref } from "../transport/timer.js";

/** How often it looks within the time that it allows. */
const looks = 4;

/**
 * Tells when nothing has happened for too long. Only time counts in which somebody waits for it, and there is a connection
 * that could bring it: how long a session may be without one is the session's own to say.
 */
export class IdleWatch {
  readonly #timer: NodeJS.Timeout;
  #quiet = 0;

  /** @param isWaiting whether this moment counts. @param onIdle called once. */
  constructor(idleMs: number, isWaiting: () => boolean, onIdle: () => void) {
    const look = () => {
      this.#quiet = isWaiting() ? this.#quiet + 1 : 0;
      if (this.#quiet <= looks) return;
      this.stop();
      onIdle();
    };
    this.#timer = unref(setInterval(look, Math.ceil(idleMs / looks)));
  }

  /** Something has happened. */
  touch(): void {
    this.#quiet = 0;
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}
