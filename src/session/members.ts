import { type Claim, environmentOf } from "./claim.js";

/** Those who share sessions, as the directory says. */
interface Roll {
  /** The claims of environments that have joined and not left, by their numbers. */
  living(): readonly number[];
}

/** Which environments live: looked up again when one has joined or left, and not before. */
export class Members {
  readonly #roll: Roll;
  /** One word, which the directory counts up then. */
  readonly #changes: Int32Array;
  #seenChanges = -1;
  #claims: readonly Claim[] = [];
  #numbers: readonly number[] = [];
  /** Of whom `left` was told that they had joined. */
  #known: readonly Claim[];

  constructor(roll: Roll, changes: Int32Array) {
    this.#roll = roll;
    this.#changes = changes;
    this.#look();
    this.#known = this.#claims; // who has joined before this one may leave before it looks again
  }

  /** Their numbers, ascending; this environment's, too. */
  get numbers(): readonly number[] {
    this.#look();
    return this.#numbers;
  }

  /** Calls for each environment that has left since the last time, though another may have its number by now. */
  tellLeft(left: (environment: number) => void): void {
    this.#look();
    const before = this.#known;
    if (before === this.#claims) return;
    this.#known = this.#claims;
    for (const claim of before) if (!this.#claims.includes(claim)) left(environmentOf(claim));
  }

  #look(): void {
    const changes = this.#changes[0]!;
    if (changes === this.#seenChanges) return;
    this.#seenChanges = changes;
    this.#claims = this.#roll.living() as Claim[];
    this.#numbers = this.#claims.map(environmentOf);
  }
}
