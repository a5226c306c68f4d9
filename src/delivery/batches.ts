import { placeOf } from "./awaited.js";

/** A frame of several messages, some of which wait to be handled. */
interface Batch {
  readonly place: number;
  /** Of the whole frame, as its window counts it. */
  readonly cost: number;
  left: number;
  isRejected: boolean;
}

/**
 * The frames of one session whose payload is a batch, or is compressed. Its messages are handled one by one, each under
 * the frame's sequence; the frame is, when all are. There are no more of them than the session's window lets come.
 */
export class Batches {
  /** The one that came last: mostly all of it is handled before the next one comes. */
  #last: Batch | undefined = undefined;
  #others: Map<number, Batch> | undefined = undefined;

  clear(): void {
    this.#last = undefined;
    this.#others = undefined;
  }

  begin(lane: number, low32: number, cost: number, messages: number): void {
    const last = this.#last;
    if (last !== undefined) {
      this.#others ??= new Map();
      this.#others.set(last.place, last);
    }
    this.#last = { place: placeOf(lane, low32), cost, left: messages, isRejected: false };
  }

  /**
   * A message is handled.
   * @param cost its own, where its frame is none of these.
   * @returns what its frame counts for; undefined where more of its messages wait.
   */
  handled(lane: number, low32: number, cost: number): number | undefined {
    const batch = this.#of(lane, low32);
    if (batch === undefined) return cost;
    batch.left -= 1;
    if (batch.left > 0) return undefined;
    if (batch === this.#last) this.#last = undefined;
    else this.#others!.delete(batch.place);
    return batch.cost;
  }

  /** A message is rejected. @returns false where its sender was told so of another one of the same frame. */
  reject(lane: number, low32: number): boolean {
    const batch = this.#of(lane, low32);
    if (batch === undefined) return true;
    const isFirst = !batch.isRejected;
    batch.isRejected = true;
    return isFirst;
  }

  #of(lane: number, low32: number): Batch | undefined {
    const last = this.#last;
    if (last === undefined && this.#others === undefined) return undefined;
    const place = placeOf(lane, low32);
    return last?.place === place ? last : this.#others?.get(place);
  }
}
