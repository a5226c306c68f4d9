/** Values that came, and those who wait for the next one. */
export class Inbox<T> {
  readonly #name: string;
  readonly #values: T[] = [];
  readonly #takers: ((value: T) => void)[] = [];

  /** @param name what is waited for, in the error of a wait that was in vain. */
  constructor(name: string) {
    this.#name = name;
  }

  put(value: T): void {
    const taker = this.#takers.shift();
    if (taker === undefined) this.#values.push(value);
    else taker(value);
  }

  /**
   * The oldest value, or the next to come.
   * @throws an Error with the inbox's name when the deadline passes first.
   */
  take(deadlineMs = 60_000): Promise<T> {
    if (this.#values.length > 0) return Promise.resolve(this.#values.shift()!);
    return new Promise((resolve, reject) => {
      const taker = (value: T) => {
        clearTimeout(timer);
        resolve(value);
      };
      const timer = setTimeout(() => {
        this.#takers.splice(this.#takers.indexOf(taker), 1);
        reject(new Error(`not within ${deadlineMs} ms: ${this.#name}`));
      }, deadlineMs);
      this.#takers.push(taker);
    });
  }
}
