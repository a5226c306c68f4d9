import { InvalidArgumentError } from "../errors.js";
import { LinkedList } from "../list/linked_list.js";
import { show } from "../options/read.js";
import { ByteShare } from "./byte_share.js";

/** Shares of less than this are one class. */
const smallestClassBytes = 4096;
/** Class 0 holds nothing, class 1 less than 4 KiB, class 2 less than 8 KiB, and so on. */
const classCount = 33;

/**
 * The bytes that many owners (sessions) may hold together in their queues. Each has a {@link ByteShare}; when all
 * together are above the limit, those that hold most are shed first, so a few slow readers pay, and not whoever comes
 * next.
 *
 * Finding the largest costs the same whatever the number of owners: shares stand in lists by the power of two of what
 * they hold, and move only when they pass one. So what is found holds more than half of what the largest does; among
 * those alike it is the one that has been so large for longest.
 */
export class ByteBudget<Owner> {
  #limitBytes: number;
  #totalBytes = 0;
  readonly #lists: (LinkedList<ByteShare<Owner>> | undefined)[] = Array.from({ length: classCount });

  /** @throws InvalidArgumentError */
  constructor(limitBytes: number) {
    this.#limitBytes = checkLimit(limitBytes);
  }

  get totalBytes(): number {
    return this.#totalBytes;
  }

  get limitBytes(): number {
    return this.#limitBytes;
  }

  /** May be set while shares are held. @throws InvalidArgumentError */
  set limitBytes(limitBytes: number) {
    this.#limitBytes = checkLimit(limitBytes);
  }

  get isOver(): boolean {
    return this.#totalBytes > this.#limitBytes;
  }

  /** The share of one owner, which holds nothing yet. It costs nothing until it does: there is nothing to close. */
  share(owner: Owner): ByteShare<Owner> {
    return new ByteShare(owner, this);
  }

  /** One of the shares that hold most; undefined where nothing is held. */
  largest(): ByteShare<Owner> | undefined {
    for (let at = classCount - 1; at > 0; at -= 1) {
      const first = this.#lists[at]?.first;
      if (first !== undefined) return first;
    }
    return undefined;
  }

  /**
   * Has the largest drop what they hold until the budget is not exceeded.
   * @param drop lets go of an owner's bytes, by {@link ByteShare.subtract}, at once. One that keeps what it has is not
   *   asked again in this call.
   * @returns how many owners were asked.
   */
  shed(drop: (owner: Owner, heldBytes: number) => void): number {
    const stubborn: ByteShare<Owner>[] = [];
    let asked = 0;
    try {
      while (this.isOver) {
        const share = this.largest();
        if (share === undefined) break;
        const bytes = share.heldBytes;
        asked += 1;
        drop(share.owner, bytes);
        if (share.heldBytes < bytes) continue;
        stubborn.push(share);
        this.#take(share);
      }
    } finally {
      for (const share of stubborn) if (share.sizeClass === 0) this.#put(share);
    }
    return asked;
  }

  /** Called by a share, which holds `bytes` more or less than before. @internal */
  changed(share: ByteShare<Owner>, bytes: number): void {
    this.#totalBytes += bytes;
    if (classOf(share.heldBytes) === share.sizeClass) return;
    this.#take(share);
    this.#put(share);
  }

  #take(share: ByteShare<Owner>): void {
    this.#lists[share.sizeClass]?.remove(share);
    share.sizeClass = 0;
  }

  #put(share: ByteShare<Owner>): void {
    share.sizeClass = classOf(share.heldBytes);
    if (share.sizeClass === 0) return;
    this.#lists[share.sizeClass] ??= new LinkedList();
    this.#lists[share.sizeClass]!.push(share);
  }
}

function classOf(bytes: number): number {
  return bytes === 0 ? 0 : Math.min(classCount - 1, 33 - Math.clz32(bytes / smallestClassBytes));
}

function checkLimit(limitBytes: number): number {
  if (Number.isSafeInteger(limitBytes) && limitBytes > 0) return limitBytes;
  throw new InvalidArgumentError(`limitBytes must be an integer above 0, and not ${show(limitBytes)}`);
}
