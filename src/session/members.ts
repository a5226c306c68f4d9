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
  /** Who was seen here and has left, and nobody was told. */
  readonly #left: number[] = [];

  constructor(roll: Roll, changes: Int32Array) {
    this.#roll = roll;
    this.#changes = changes;
    this.#look(); // who has joined before this one may leave before it looks again
  }

  /** Their numbers, ascending; this environment's, too. */
  get numbers(): readonly number[] {
    this.#look();
    return this.#numbers;
  }

  /** Which of those that had a number, one after the other, has it now; undefined where none has. */
  claimOf(environment: number): Claim | undefined {
    const at = this.numbers.indexOf(environment); // which looks again first
    return this.#claims[at];
  }

  /**
   * Calls for each environment that has left since the last time, though another may have its number by now. Those that
   * came and went without anybody having asked for them meanwhile, nobody here can have had to do with.
   */
  tellLeft(left: (environment: number) => void): void {
    this.#look();
    if (this.#left.length === 0) return;
    for (const environment of this.#left.splice(0)) left(environment);
  }

  #look(): void {
    const changes = this.#changes[0]!;
    if (changes === this.#seenChanges) return;
    this.#seenChanges = changes;
    const before = this.#claims;
    this.#claims = this.#roll.living() as Claim[];
    for (const claim of before) if (!this.#claims.includes(claim)) this.#left.push(environmentOf(claim));
    this.#numbers = this.#claims.map(environmentOf);
  }
}
