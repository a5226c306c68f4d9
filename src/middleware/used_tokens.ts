/** Remembers which single-use tokens were used; a fleet of servers shares one of its own. */
export interface UsedTokens {
  /**
   * Marks a token as used, in one step: of two who ask at once, one gets `claimed`.
   * @param id what names the token among all issuers'.
   * @param expiresAtMs milliseconds since the epoch; it need not be remembered later.
   * @returns `claimed`: it was not used before; `used`: it was; `full`: no more can be remembered now.
   */
  claim(id: string, expiresAtMs: number): ClaimOutcome | Promise<ClaimOutcome>;
}

/** What became of a token that is to be used: see {@link UsedTokens.claim}. */
export type ClaimOutcome = "claimed" | "used" | "full";

/** Tokens that expire within the same so many milliseconds are forgotten together. */
const spanMs = 60_000;

/**
 * Used tokens in the memory of this thread, up to a maximum: at it, tokens are refused until some have expired. To
 * forget a token that is still valid would be to let it be used again.
 */
export class MemoryUsedTokens implements UsedTokens {
  readonly #maxTokens: number;
  readonly #now: () => number;
  /** By the span in which they expire. */
  readonly #spans = new Map<number, Set<string>>();
  #count = 0;
  #sweptSpan = Number.NEGATIVE_INFINITY;

  constructor(maxTokens: number, now: () => number = Date.now) {
    this.#maxTokens = maxTokens;
    this.#now = now;
  }

  /** How many are remembered. */
  get count(): number {
    return this.#count;
  }

  claim(id: string, expiresAtMs: number): ClaimOutcome {
    this.#sweep();
    const span = Math.floor(expiresAtMs / spanMs);
    let tokens = this.#spans.get(span);
    if (tokens?.has(id)) return "used";
    if (this.#count >= this.#maxTokens) return "full";
    if (tokens === undefined) {
      tokens = new Set();
      this.#spans.set(span, tokens);
    }
    tokens.add(id);
    this.#count += 1;
    return "claimed";
  }

  /** Once in a span, forgets those that are over. */
  #sweep(): void {
    const current = Math.floor(this.#now() / spanMs);
    if (current <= this.#sweptSpan) return;
    this.#sweptSpan = current;
    for (const [span, tokens] of this.#spans) {
      if (span >= current) continue;
      this.#spans.delete(span);
      this.#count -= tokens.size;
    }
  }
}
