import { InternalError } from "../errors.js";
import type { Linked } from "../list/linked_list.js";
import type { ByteBudget } from "./byte_budget.js";

/** What one owner holds of a {@link ByteBudget}. */
export class ByteShare<Owner> implements Linked<ByteShare<Owner>> {
  readonly owner: Owner;
  readonly #budget: ByteBudget<Owner>;
  #heldBytes = 0;
  /** The budget's: the list it stands in, and its neighbours there. @internal */
  sizeClass = 0;
  /** @internal */
  previous: ByteShare<Owner> | undefined;
  /** @internal */
  next: ByteShare<Owner> | undefined;

  /** By {@link ByteBudget.share}. @internal */
  constructor(owner: Owner, budget: ByteBudget<Owner>) {
    this.owner = owner;
    this.#budget = budget;
  }

  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** These many bytes more are queued. Nothing is refused: who adds asks {@link ByteBudget.isOver} when it suits. */
  add(bytes: number): void {
    this.#heldBytes += bytes;
    this.#budget.changed(this, bytes);
  }

  /**
   * These many have left the queue.
   * @throws InternalError where it does not hold that many: somebody's account is wrong.
   */
  subtract(bytes: number): void {
    if (bytes > this.#heldBytes) {
      throw new InternalError(`${bytes} bytes were taken back from a share of ${this.#heldBytes}`);
    }
    this.add(-bytes);
  }

  /** Holds nothing from now on: its owner is gone. */
  release(): void {
    this.subtract(this.#heldBytes);
  }
}
