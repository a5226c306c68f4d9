import { addressKey } from "../limit/address_key.js";
import { type Linked, LinkedList } from "../list/linked_list.js";

/** How long who guesses wrong must wait. */
export interface GuessLimits {
  /** Wrong guesses at one account from one address before the first wait. */
  readonly freeGuesses: number;
  /** The first wait; each further wrong guess doubles it. */
  readonly firstWaitMs: number;
  readonly maxWaitMs: number;
  /** After so long without a wrong guess, those before are forgotten. */
  readonly forgetAfterMs: number;
  /** How many accounts and addresses are remembered. */
  readonly maxTracked: number;
}

/** Wrong guesses at all accounts together that an address has free, for each that it has at one. */
const addressFactor = 10;

/** Who has guessed wrong, or is guessing. */
class Guesser implements Linked<Guesser> {
  readonly key: string;
  readonly freeGuesses: number;
  wrong = 0;
  lastMs = 0;
  waitsUntilMs = 0;
  previous: Guesser | undefined;
  next: Guesser | undefined;

  constructor(key: string, freeGuesses: number) {
    this.key = key;
    this.freeGuesses = freeGuesses;
  }
}

/**
 * Slows down who guesses secrets: after a few wrong ones, further guesses are refused unseen for a while, which doubles
 * with each wrong one. An account is slowed down for the address that guesses at it, so that nobody can lock another out
 * of an account; and an address for all accounts, so that it cannot try one guess at each. It is the same for accounts
 * that do not exist.
 *
 * A guess counts as wrong from its beginning until it is found right: many at once are not many first ones. Memory is
 * bounded: beyond `maxTracked`, who has been quiet longest is forgotten.
 */
export class Guesses {
  readonly #limits: GuessLimits;
  /** In `#byTime` too, who guessed last at the end. */
  readonly #guessers = new Map<string, Guesser>();
  readonly #byTime = new LinkedList<Guesser>();

  constructor(limits: GuessLimits) {
    this.#limits = limits;
  }

  /** How many are remembered. */
  get tracked(): number {
    return this.#guessers.size;
  }

  /** @returns the milliseconds until a guess is heard; 0: it is heard now, and counts as wrong until it is {@link right}. */
  begin(account: string, address: string, nowMs: number): number {
    this.#forgetOld(nowMs);
    const pair = this.#of(pairKey(account, address), this.#limits.freeGuesses);
    const all = this.#of(addressKey(address), this.#limits.freeGuesses * addressFactor);
    const waitMs = Math.max(pair.waitsUntilMs, all.waitsUntilMs) - nowMs;
    if (waitMs > 0) return waitMs;
    this.#count(pair, nowMs);
    this.#track();
    return 0;
  }

  /** The guess that began was right: the account is not slowed down any more, its address is if it was. */
  right(account: string, address: string): void {
    const pair = this.#guessers.get(pairKey(account, address));
    if (pair !== undefined) this.#forget(pair);
  }

  /** It could not be judged, and was neither. */
  withdraw(account: string, address: string): void {
    const pair = this.#guessers.get(pairKey(account, address));
    if (pair === undefined) return;
    pair.wrong -= 1;
    pair.waitsUntilMs = 0;
    if (pair.wrong <= 0) this.#forget(pair);
  }

  /** It was wrong. */
  wrong(address: string, nowMs: number): void {
    this.#count(this.#of(addressKey(address), this.#limits.freeGuesses * addressFactor), nowMs);
    this.#track();
  }

  /** Not yet remembered, where it is new. */
  #of(key: string, freeGuesses: number): Guesser {
    return this.#guessers.get(key) ?? new Guesser(key, freeGuesses);
  }

  #count(guesser: Guesser, nowMs: number): void {
    const { firstWaitMs, maxWaitMs } = this.#limits;
    guesser.wrong += 1;
    guesser.lastMs = nowMs;
    const doublings = guesser.wrong - guesser.freeGuesses;
    if (doublings >= 0) guesser.waitsUntilMs = nowMs + Math.min(maxWaitMs, firstWaitMs * 2 ** doublings);
    if (this.#guessers.has(guesser.key)) this.#byTime.remove(guesser);
    this.#guessers.set(guesser.key, guesser);
    this.#byTime.push(guesser);
  }

  #track(): void {
    while (this.#guessers.size > this.#limits.maxTracked) this.#forget(this.#byTime.first!);
  }

  #forgetOld(nowMs: number): void {
    const { forgetAfterMs } = this.#limits;
    for (let first = this.#byTime.first; first !== undefined; first = this.#byTime.first) {
      if (Math.max(first.lastMs + forgetAfterMs, first.waitsUntilMs) > nowMs) break;
      this.#forget(first);
    }
  }

  #forget(guesser: Guesser): void {
    this.#guessers.delete(guesser.key);
    this.#byTime.remove(guesser);
  }
}

/** No address has a line end in it. */
function pairKey(account: string, address: string): string {
  return `${addressKey(address)}\n${account}`;
}
