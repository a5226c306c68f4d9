/** How many of the server's requests are answered at once. */
export const maxAnswering = 100;

/**
 * The server's requests that this client answers. So many are in the hands of its handlers; the others wait, and the
 * server's credit with them, so that a server that asks faster than it is answered can ask no more for a while.
 */
export class Answering {
  #begun = 0;
  #waiting: (() => Promise<unknown>)[] = [];

  /** @param begin hands it to its handler, now or later. */
  take(begin: () => Promise<unknown>): void {
    this.#waiting.push(begin);
    this.#goOn();
  }

  /** Nobody waits for those any more that have not begun. */
  clear(): void {
    this.#waiting = [];
  }

  #goOn(): void {
    while (this.#begun < maxAnswering) {
      const begin = this.#waiting.shift();
      if (begin === undefined) return;
      this.#begun += 1;
      void begin().finally(() => {
        this.#begun -= 1;
        this.#goOn();
      });
    }
  }
}
