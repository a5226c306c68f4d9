/** What became of a nonce: `full`, there is no room to remember it. */
export type Admission = "new" | "known" | "full";

/** What time it is, by two clocks. */
export interface Clock {
  /** Milliseconds since 1970: others' datagrams are held against it, and somebody may set it. */
  nowMs(): number;
  /** Milliseconds since some moment: it only goes forward. */
  elapsedMs(): number;
}

/** The machine's. */
export const systemClock: Clock = { nowMs: () => Date.now(), elapsedMs: () => performance.now() };

interface Remembered {
  readonly timeMs: number;
  readonly untilMs: number;
}

/**
 * The nonces that have come, each for as long as its datagram could be taken again. Where it is full, what is new is
 * refused: to forget would let somebody in who has recorded what was forgotten. Only who has the secret fills it.
 */
export class Nonces {
  readonly #max: number;
  readonly #windowMs: number;
  readonly #clock: Clock;
  /** The oldest arrival first. */
  readonly #known = new Map<string, Remembered>();

  constructor(max: number, windowMs: number, clock: Clock) {
    this.#max = max;
    this.#windowMs = windowMs;
    this.#clock = clock;
  }

  get size(): number {
    return this.#known.size;
  }

  /** Takes the nonce of a datagram of that time, which is within the window. */
  admit(nonce: Uint8Array, timeMs: number): Admission {
    this.#forget();
    const name = Buffer.from(nonce.buffer, nonce.byteOffset, nonce.length).toString("latin1");
    if (this.#known.has(name)) return "known";
    if (this.#known.size >= this.#max) return "full";
    this.#known.set(name, { timeMs, untilMs: this.#clock.elapsedMs() + 2 * this.#windowMs });
    return "new";
  }

  /** A clock that was set back makes old datagrams new again: what is known then stays so until they are old. */
  #forget(): void {
    const nowMs = this.#clock.nowMs();
    const elapsedMs = this.#clock.elapsedMs();
    for (const [name, { timeMs, untilMs }] of this.#known) {
      if (elapsedMs < untilMs || nowMs <= timeMs + this.#windowMs) return;
      this.#known.delete(name);
    }
  }
}
