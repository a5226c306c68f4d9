import { bodyHash } from "../../delivery/dedupe.js";

/** Which environment does an early message that all of them may get: in memory that all of them share. */
export interface EarlyClaims {
  /**
   * Claims a message for this environment, unless it is claimed.
   * @returns which environment has it by now; undefined where there is no room.
   */
  claim(key: string): number | undefined;
  /** What this environment has claimed is not done: anyone may claim it. */
  release(key: string): void;
}

/** Room for four times as many as one environment remembers: see `EarlyDesk`. */
const bucketCount = 8_192;
const slotsEach = 8;
/** As long as an answer is remembered, and what the two clocks that say so may differ by. */
const maxAgeS = 122;
const nothing = new Uint8Array(0);

/** For `Group.earlyClaims`. @param environments one alone shares with nobody. */
export function createEarlyClaims(environments: number): SharedArrayBuffer | undefined {
  if (environments < 2) return undefined;
  return new SharedArrayBuffer(bucketCount * slotsEach * BigUint64Array.BYTES_PER_ELEMENT);
}

/**
 * ```text
 * a slot: 63            24 23        8 7           0     0 is free
 *         hash of the key   seconds    environment + 1
 * ```
 * A claim is one compare-and-swap. What another thread has scribbled there is a claim of somebody who knows of nothing.
 */
export class SharedEarlyClaims implements EarlyClaims {
  readonly #slots: BigUint64Array;
  readonly #environment: number;
  readonly #nowS: () => number;

  /** @param nowS seconds of a clock that all threads share */
  constructor(shared: SharedArrayBuffer, environment: number, nowS = () => process.hrtime()[0]) {
    this.#slots = new BigUint64Array(shared);
    this.#environment = environment;
    this.#nowS = nowS;
  }

  claim(key: string): number | undefined {
    const { first, hash } = placeOf(key);
    for (let attempt = 0; attempt < slotsEach; attempt += 1) {
      const found = this.#find(first, hash);
      if (found !== undefined) return environmentOf(Atomics.load(this.#slots, found));
      const free = this.#free(first);
      if (free === undefined) return undefined;
      const own = (hash << 24n) | BigInt(((this.#nowS() & 0xffff) << 8) | (this.#environment + 1));
      if (Atomics.compareExchange(this.#slots, free.at, free.was, own) !== free.was) continue;
      // Who has claimed it in another slot meanwhile has not seen this one: both leave it to the session.
      const other = this.#find(first, hash, free.at);
      return other === undefined ? this.#environment : environmentOf(Atomics.load(this.#slots, other));
    }
    return undefined;
  }

  release(key: string): void {
    const { first, hash } = placeOf(key);
    const at = this.#find(first, hash);
    if (at === undefined) return;
    const was = Atomics.load(this.#slots, at);
    if (environmentOf(was) === this.#environment) Atomics.compareExchange(this.#slots, at, was, 0n);
  }

  #find(first: number, hash: bigint, except?: number): number | undefined {
    for (let at = first; at < first + slotsEach; at += 1) {
      const slot = Atomics.load(this.#slots, at);
      if (at !== except && slot >> 24n === hash && this.#isLive(slot)) return at;
    }
    return undefined;
  }

  #free(first: number): { readonly at: number; readonly was: bigint } | undefined {
    for (let at = first; at < first + slotsEach; at += 1) {
      const was = Atomics.load(this.#slots, at);
      if (!this.#isLive(was)) return { at, was };
    }
    return undefined;
  }

  #isLive(slot: bigint): boolean {
    const agedS = (this.#nowS() - Number((slot >> 8n) & 0xffffn)) & 0xffff;
    return slot !== 0n && agedS <= maxAgeS;
  }
}

function environmentOf(slot: bigint): number {
  return Number(slot & 0xffn) - 1;
}

function placeOf(key: string): { readonly first: number; readonly hash: bigint } {
  const hash = BigInt(bodyHash(0, 0, key, nothing)); // 53 bits: 40 to know it by, 13 for the bucket
  return { first: Number(hash & BigInt(bucketCount - 1)) * slotsEach, hash: hash >> 13n };
}
