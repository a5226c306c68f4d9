/** From which part of a limit on somebody is warned, and below which again. */
const warnAt = 0.8;
const calmBelow = 0.6;

/** Warns once when something comes near its limit: at 80 % of it, and again only after it was below 60 %. */
export class NearLimit {
  readonly #warn: ((current: number, limit: number) => void) | undefined;
  #warned = false;

  constructor(warn: ((current: number, limit: number) => void) | undefined) {
    this.#warn = warn;
  }

  /** How much of it there is now. */
  look(current: number, limit: number): void {
    if (current < limit * calmBelow) this.#warned = false;
    if (this.#warned || current < limit * warnAt) return;
    this.#warned = true;
    this.#warn?.(current, limit);
  }
}
