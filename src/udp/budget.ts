const secondMs = 1_000;

/** So much in a second, in all and for each source. Who is counted is bounded by how much there may be. */
export class Budget {
  readonly #total: number;
  readonly #perSource: number;
  readonly #elapsedMs: () => number;
  readonly #spent = new Map<string, number>();
  #sum = 0;
  #sinceMs = Number.NEGATIVE_INFINITY;

  constructor(total: number, perSource: number, elapsedMs: () => number) {
    this.#total = total;
    this.#perSource = perSource;
    this.#elapsedMs = elapsedMs;
  }

  /** @returns whether there was some left; then there is less. */
  take(source: string): boolean {
    const nowMs = this.#elapsedMs();
    if (nowMs - this.#sinceMs >= secondMs) {
      this.#sinceMs = nowMs;
      this.#sum = 0;
      this.#spent.clear();
    }
    const spent = this.#spent.get(source) ?? 0;
    if (this.#sum >= this.#total || spent >= this.#perSource) return false;
    this.#sum += 1;
    this.#spent.set(source, spent + 1);
    return true;
  }
}
