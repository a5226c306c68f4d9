import { AddressLimits, type AddressLimitsOptions } from "../limit/address_limits.js";

/** What new connections are held to, before anything is known of who they are. */
export class Arrivals {
  readonly #limits: AddressLimits;
  readonly #nowMs: () => number;

  constructor(limits: AddressLimitsOptions, nowMs: () => number) {
    this.#limits = new AddressLimits(limits);
    this.#nowMs = nowMs;
  }

  /** Holds to other limits from now on. */
  update(limits: AddressLimitsOptions): void {
    this.#limits.update(limits, this.#nowMs());
  }

  /** Whether one more may come from an address. */
  admits(address: string): boolean {
    const refusal = this.#limits.admit(address, this.#nowMs());
    if (refusal === undefined) this.#limits.leave(address); // its rate is what counts here, and not how many there are
    return refusal === undefined;
  }
}
