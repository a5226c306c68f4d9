import type { FrameTooLargeError } from "../errors.js";
import type { PlacedFrame } from "../transport/connection.js";
import type { FrameDeadlines, Unfinished } from "./frame_deadlines.js";
import { PlacedUnit } from "./placed_unit.js";
import type { Splitter } from "./splitter.js";

/** Whom what has come is for. */
export interface Receiver {
  /** False from the moment on that nothing is to be delivered any more. */
  readonly isOpen: boolean;
  onUnit(unit: Uint8Array): void;
  /** Whether units are frames, which {@link onPlaced} takes where they lie. */
  readonly takesPlaced: boolean;
  onPlaced(frame: PlacedFrame): void;
  /** The peer sent a unit above the limit: there are no more. */
  onTooLarge(error: FrameTooLargeError): void;
  /** The peer left a unit unfinished for too long. */
  onUnfinished(): void;
}

const placed = new PlacedUnit();

/** What one connection receives: units, one after the other, for as long as their reader takes them. */
export class Incoming implements Unfinished {
  unfinishedChecks = 0;
  readonly #splitter: Splitter;
  readonly #deadlines: FrameDeadlines | undefined;
  readonly #receiver: Receiver;
  /** The owner has attached. */
  #started = false;
  #paused = false;
  /** The beginning of a unit has come and its end has not: a clock runs. */
  #unfinished = false;

  /** Nothing is delivered until {@link start}. */
  constructor(splitter: Splitter, deadlines: FrameDeadlines | undefined, receiver: Receiver) {
    this.#splitter = splitter;
    this.#deadlines = deadlines;
    this.#receiver = receiver;
  }

  get paused(): boolean {
    return this.#paused;
  }

  get flowing(): boolean {
    return this.#started && !this.#paused;
  }

  /** Whether units that came before the end wait for the reader. */
  get isHeld(): boolean {
    return !this.#started || (this.#paused && this.#splitter.hasMore);
  }

  start(): void {
    this.#started = true;
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
  }

  /** @param chunk the splitter's own from now on. */
  push(chunk: Buffer): void {
    this.#splitter.push(chunk);
    this.deliver();
  }

  /** Delivers what is whole. */
  deliver(): void {
    const places = this.#receiver.takesPlaced;
    let delivered = 0;
    while (this.flowing && this.#receiver.isOpen && this.#deliverNext(places)) delivered += 1;
    this.#watchUnfinished(delivered > 0);
  }

  /** @returns false where no more is whole. */
  #deliverNext(places: boolean): boolean {
    if (places && this.#splitter.place(placed)) {
      this.#receiver.onPlaced(placed);
      return true;
    }
    const unit = this.#next();
    if (unit !== undefined) this.#receiver.onUnit(unit);
    return unit !== undefined;
  }

  /** The peer sends no more: delivers the beginning of a unit, where that is one. */
  deliverRest(): void {
    const rest = this.#splitter.rest();
    if (rest !== undefined) this.#receiver.onUnit(rest);
  }

  /** Nothing is delivered any more. */
  stop(): void {
    this.#paused = false;
    this.#deadlines?.end(this);
  }

  missFrameDeadline(): void {
    this.#receiver.onUnfinished();
  }

  /** @param isAnother whether the unit that is unfinished now is another one than before. */
  #watchUnfinished(isAnother: boolean): void {
    // Where more is here than this side has taken, the peer is not the one to wait for.
    const isUnfinished = this.#receiver.isOpen && this.#splitter.isInside && !this.#splitter.hasMore;
    if (isUnfinished && (isAnother || !this.#unfinished)) this.#deadlines?.begin(this);
    else if (!isUnfinished && this.#unfinished) this.#deadlines?.end(this);
    this.#unfinished = isUnfinished;
  }

  #next(): Uint8Array | undefined {
    try {
      return this.#splitter.next();
    } catch (error) {
      this.#receiver.onTooLarge(error as FrameTooLargeError);
      return undefined;
    }
  }
}
