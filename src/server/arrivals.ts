import { AddressLimits, type AddressLimitsOptions } from "../limit/address_limits.js";

/** What new connections are held to, before anything is known of who they are. */
export class Arrivals {
  readonly #limits: AddressLimits;
  readonly #nowMs: () => number;
  #isLimited: boolean;

  constructor(limits: AddressLimitsOptions, nowMs: () => number) {
    this.#limits = new AddressLimits(limits);
    this.#nowMs = nowMs;
    this.#isLimited = isLimited(limits);
  }

  /** Holds to other limits from now on. */
  update(limits: AddressLimitsOptions): void {
    this.#limits.update(limits, this.#nowMs());
    this.#isLimited = isLimited(limits);
  }

  /** Whether one more may come from an address. */
  admits(address: string): boolean {
    if (!this.#isLimited) return true;
    const refusal = this.#limits.admit(address, this.#nowMs());
    if (refusal === undefined) this.#limits.leave(address); // its rate is what counts here, and not how many there are
    return refusal === undefined;
  }
}

function isLimited({ maxPerAddress, ratePerAddress, totalRate }: AddressLimitsOptions): boolean {
  return maxPerAddress !== undefined || ratePerAddress !== undefined || totalRate !== undefined;
}
