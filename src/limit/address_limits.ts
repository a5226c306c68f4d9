import { InvalidArgumentError } from "../errors.js";
import { type Linked, LinkedList } from "../list/linked_list.js";
import { RecurrentMap } from "../list/recurrent_map.js";
import { show } from "../options/read.js";
import { addressKey } from "./address_key.js";
import { type Rate, TokenBucket } from "./token_bucket.js";

/** What addresses are held to; what is left out is not limited. */
export interface AddressLimitsOptions {
  /** How many each address has at a time, from 1. */
  readonly maxPerAddress?: number | undefined;
  /** How fast each address may come. */
  readonly ratePerAddress?: Rate | undefined;
  /** How fast all of them together may come. */
  readonly totalRate?: Rate | undefined;
  /**
   * Of how many addresses that have nothing any more it is remembered how fast they came; 65,536 by default. When they
   * are more, the one that left first is forgiven. See {@link AddressLimits}.
   */
  readonly maxIdleAddresses?: number | undefined;
}

/** Why one more was not admitted. */
export type AddressRefusal = "address-count" | "address-rate" | "total-rate";

/** An address that has something, or had it a short while ago. */
interface Entry extends Linked<Entry> {
  readonly key: string;
  count: number;
  bucket: TokenBucket | undefined;
}

/**
 * Counts what comes from each address (connections, or sessions) and how fast; see {@link addressKey} for what is one
 * address.
 *
 * Memory is bounded whatever the number of addresses. An address that has something takes an entry, so those are no
 * more than what was admitted, which the caller limits; a refusal never makes one. An address that has nothing keeps
 * its entry only until its rate has recovered, and of those there are at most `maxIdleAddresses`: beyond, the one that
 * left first is forgotten, and may come at once as fast as a new one. That gives nothing to who rotates addresses,
 * since `totalRate` holds still, and it can only happen where that times the time in which an address recovers is more
 * than `maxIdleAddresses`.
 *
 * An attempt that is refused costs its address nothing: who stays below the rate is admitted, however often it also
 * knocks. Times are milliseconds of a clock that never goes back.
 */
export class AddressLimits {
  #options: AddressLimitsOptions;
  #total: TokenBucket | undefined;
  readonly #entries = new RecurrentMap<string, Entry>();
  /** Those whose count is 0, in the order in which they left. */
  readonly #idle = new LinkedList<Entry>();

  /** @throws InvalidArgumentError */
  constructor(options: AddressLimitsOptions) {
    this.#options = check(options);
    this.#total = options.totalRate && new TokenBucket(options.totalRate);
  }

  /** How many addresses are remembered. */
  get addressCount(): number {
    return this.#entries.size;
  }

  /** How many an address has. */
  count(address: string): number {
    return this.#entries.get(addressKey(address))?.count ?? 0;
  }

  /** @returns why one more from the address is not admitted; undefined where it is, and {@link leave} follows. */
  admit(address: string, nowMs: number): AddressRefusal | undefined {
    this.sweep(nowMs);
    const { maxPerAddress, ratePerAddress } = this.#options;
    const key = addressKey(address);
    const known = this.#entries.get(key);
    if (known !== undefined) {
      if (maxPerAddress !== undefined && known.count >= maxPerAddress) return "address-count";
      if (known.bucket !== undefined && known.bucket.waitMs(1, nowMs) > 0) return "address-rate";
    }
    if (this.#total?.take(1, nowMs) === false) return "total-rate";
    const entry = known ?? this.#add(key, ratePerAddress);
    if (known?.count === 0) this.#idle.remove(known);
    entry.count += 1;
    entry.bucket?.take(1, nowMs);
    return undefined;
  }

  /** One that was admitted is gone. */
  leave(address: string): void {
    const entry = this.#entries.get(addressKey(address));
    if (entry === undefined || entry.count === 0) return;
    entry.count -= 1;
    if (entry.count > 0) return;
    if (entry.bucket === undefined) {
      this.#entries.delete(entry.key);
      return;
    }
    this.#idle.push(entry);
    if (this.#idle.length > maxIdle(this.#options)) this.#forget(this.#idle.first!);
  }

  /** Forgets addresses that have nothing and may come again at full rate. `admit` does so too; a long quiet needs it. */
  sweep(nowMs: number): void {
    for (let entry = this.#idle.first; entry?.bucket?.isFull(nowMs); entry = this.#idle.first)
      this.#forget(entry);
  }

  /**
   * Holds to other limits from now on. Who is there stays, even where it is too many.
   * @throws InvalidArgumentError, and all is as it was.
   */
  update(options: AddressLimitsOptions, nowMs: number): void {
    this.#options = check(options);
    this.#total = renew(this.#total, options.totalRate, nowMs);
    for (const entry of this.#entries.values()) {
      entry.bucket = renew(entry.bucket, options.ratePerAddress, nowMs);
      if (entry.count === 0 && entry.bucket === undefined) this.#forget(entry);
    }
    while (this.#idle.length > maxIdle(options)) this.#forget(this.#idle.first!);
  }

  #add(key: string, rate: Rate | undefined): Entry {
    const bucket = rate && new TokenBucket(rate);
    const entry: Entry = { key, count: 0, bucket, previous: undefined, next: undefined };
    this.#entries.set(key, entry);
    return entry;
  }

  #forget(entry: Entry): void {
    this.#idle.remove(entry);
    this.#entries.delete(entry.key);
  }
}

function maxIdle({ maxIdleAddresses = 65_536 }: AddressLimitsOptions): number {
  return maxIdleAddresses;
}

function renew(
  bucket: TokenBucket | undefined,
  rate: Rate | undefined,
  nowMs: number,
): TokenBucket | undefined {
  if (rate === undefined || bucket === undefined) return rate && new TokenBucket(rate);
  bucket.adopt(rate, nowMs);
  return bucket;
}

function check(options: AddressLimitsOptions): AddressLimitsOptions {
  checkCount("maxPerAddress", options.maxPerAddress, 1);
  checkCount("maxIdleAddresses", options.maxIdleAddresses, 0);
  return options;
}

function checkCount(name: string, value: number | undefined, min: number): void {
  if (value === undefined || (Number.isSafeInteger(value) && value >= min)) return;
  throw new InvalidArgumentError(`${name} must be an integer of at least ${min}, and not ${show(value)}`);
}
