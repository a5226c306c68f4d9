/** A clock that stands still until it is told to go on. */
export class VirtualTime {
  #nowMs = 0;
  #tasks: { readonly atMs: number; readonly task: () => void }[] = [];

  now(): number {
    return this.#nowMs;
  }

  /** How much is to be done at some time. */
  get pending(): number {
    return this.#tasks.length;
  }

  at(atMs: number, task: () => void): () => void {
    const entry = { atMs, task };
    this.#tasks.push(entry);
    return () => {
      this.#tasks = this.#tasks.filter((other) => other !== entry);
    };
  }

  /** Lets the clock go on, and does on the way what is due, in order. */
  advance(ms: number): void {
    const end = this.#nowMs + ms;
    for (;;) {
      const next = this.#tasks.reduce((first, task) => (task.atMs < first.atMs ? task : first), {
        atMs: Number.POSITIVE_INFINITY,
        task: () => {},
      });
      if (next.atMs > end) break;
      this.#tasks = this.#tasks.filter((other) => other !== next);
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      next.task();
    }
    this.#nowMs = end;
  }
}
