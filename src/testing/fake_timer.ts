/** What a fake clock's `setTimeout` gives: the object that Node's gives, by its own clock. */
export class FakeTimer {
  readonly task: () => unknown;
  readonly repeats: boolean;
  dueMs: number;
  readonly #delayMs: number;
  readonly #waiting: Set<FakeTimer>;
  readonly #now: () => number;
  #hasRef = true;

  /** @param waiting has those that are not done yet. */
  constructor(
    task: () => unknown,
    delayMs: number,
    repeats: boolean,
    waiting: Set<FakeTimer>,
    now: () => number,
  ) {
    this.task = task;
    this.repeats = repeats;
    this.dueMs = now() + delayMs;
    this.#delayMs = delayMs;
    this.#waiting = waiting;
    this.#now = now;
  }

  /** No fake timer keeps a process alive; who asks is told what it has said. */
  ref(): this {
    this.#hasRef = true;
    return this;
  }

  unref(): this {
    this.#hasRef = false;
    return this;
  }

  hasRef(): boolean {
    return this.#hasRef;
  }

  /** Begins anew. */
  refresh(): this {
    this.#waiting.delete(this); // behind those that are due at the same time
    this.#waiting.add(this);
    this.dueMs = this.#now() + this.#delayMs;
    return this;
  }

  close(): this {
    this.#waiting.delete(this);
    return this;
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
