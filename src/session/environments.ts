import { ResourceExhaustedError } from "../errors.js";
import {
  CLAIM_ENVIRONMENT_BITS,
  ENVIRONMENT_STATE_BITS,
  EnvironmentState,
  EPOCH_BITS,
  TABLE_ENVIRONMENTS_OFFSET,
  TABLE_MAX_ENVIRONMENTS,
} from "./table_layout.js";

const FIRST = TABLE_ENVIRONMENTS_OFFSET >> 2;
const stateMask = 2 ** ENVIRONMENT_STATE_BITS - 1;
const environmentMask = 2 ** CLAIM_ENVIRONMENT_BITS - 1;
const epochMask = 2 ** EPOCH_BITS - 1;

/** An environment of a table and its epoch: what it writes into the slots that it has. Never 0. */
export type Claim = number & { readonly brand: "Claim" };

export function environmentOf(claim: Claim): number {
  return claim & environmentMask;
}

/** Who works with a table: a word each, its epoch above one of EnvironmentState. */
export class Environments {
  readonly #words: Int32Array;

  constructor(words: Int32Array) {
    this.#words = words;
  }

  /** @throws ResourceExhaustedError when 64 environments have joined already. */
  join(): Claim {
    for (let environment = 0; environment < TABLE_MAX_ENVIRONMENTS; environment += 1) {
      const word = Atomics.load(this.#words, FIRST + environment);
      if ((word & stateMask) !== EnvironmentState.vacant) continue;
      const epoch = ((word >>> ENVIRONMENT_STATE_BITS) + 1) & epochMask || 1;
      const alive = (epoch << ENVIRONMENT_STATE_BITS) | EnvironmentState.alive;
      if (Atomics.compareExchange(this.#words, FIRST + environment, word, alive) !== word) continue;
      return ((epoch << CLAIM_ENVIRONMENT_BITS) | environment) as Claim;
    }
    throw new ResourceExhaustedError(`a session table has at most ${TABLE_MAX_ENVIRONMENTS} environments`);
  }

  /** Says that an environment has ended; nothing of it runs any more. False when that is known already. */
  declareDead(claim: Claim): boolean {
    return this.#change(claim, EnvironmentState.alive, EnvironmentState.dead);
  }

  /** Lets another take a dead environment's place, once nothing of it is left in the table. */
  retire(claim: Claim): boolean {
    return this.#change(claim, EnvironmentState.dead, EnvironmentState.vacant);
  }

  isAlive(claim: Claim): boolean {
    return this.#is(claim, EnvironmentState.alive);
  }

  /** Of those that ended and are not retired. */
  dead(): Claim[] {
    const claims: Claim[] = [];
    for (let environment = 0; environment < TABLE_MAX_ENVIRONMENTS; environment += 1) {
      const word = Atomics.load(this.#words, FIRST + environment);
      if ((word & stateMask) !== EnvironmentState.dead) continue;
      const epoch = (word >>> ENVIRONMENT_STATE_BITS) & epochMask;
      claims.push(((epoch << CLAIM_ENVIRONMENT_BITS) | environment) as Claim);
    }
    return claims;
  }

  #is(claim: Claim, state: number): boolean {
    const environment = environmentOf(claim);
    if (environment >= TABLE_MAX_ENVIRONMENTS) return false;
    return Atomics.load(this.#words, FIRST + environment) === wordOf(claim, state);
  }

  #change(claim: Claim, from: number, to: number): boolean {
    const environment = environmentOf(claim);
    if (environment >= TABLE_MAX_ENVIRONMENTS) return false;
    const before = wordOf(claim, from);
    return Atomics.compareExchange(this.#words, FIRST + environment, before, wordOf(claim, to)) === before;
  }
}

function wordOf(claim: Claim, state: number): number {
  return ((claim >>> CLAIM_ENVIRONMENT_BITS) << ENVIRONMENT_STATE_BITS) | state;
}
