import type { Priority } from "./lane.js";
import type { Watch } from "./outgoing.js";
import type { Settled } from "./sent_log.js";

/** A message that is accepted and not given to the transport yet. It gets its sequence only then. */
export interface Waiting {
  readonly priority: Priority;
  readonly lane: number;
  /** One that waits with the same key is replaced by the next. */
  readonly key: string | undefined;
  /** It may give way to another: nobody waits for it in particular. */
  readonly mayGo: boolean;
  /** The whole frame, this queue's own, but for its place in its lane. */
  frame: Uint8Array;
  sequenced: boolean;
  /** On the owner's clock; Infinity where it never expires. */
  expiresAt: number;
  settled: Settled | undefined;
  watch: Watch | undefined;
  readonly idempotent: boolean | undefined;
}

/** From the first to go to the last. */
const priorities = ["control", "high", "normal", "bulk"] as const satisfies readonly Priority[];

/** `control` needs no share: it goes before the others. */
const shares = { control: Number.POSITIVE_INFINITY, high: 8, normal: 4, bulk: 1 } as const;

/** What one costs beside its frame, in objects: counted where memory is bounded. */
export const waitingOverheadBytes = 256;

/** The messages of one priority, the oldest first. */
class Line {
  readonly priority: Priority;
  /** Where it is on a clock that each priority moves by the bytes it sends, divided by its share. */
  at = 0;
  #items: Waiting[] = [];
  #from = 0;
  /** So many of the oldest are known not to give way. */
  #staying = 0;

  constructor(priority: Priority) {
    this.priority = priority;
  }

  get oldest(): Waiting | undefined {
    return this.#items[this.#from];
  }

  /** Where it will be on that clock with its oldest message sent. */
  get due(): number {
    return this.at + this.oldest!.frame.length / shares[this.priority];
  }

  push(message: Waiting): void {
    this.#items.push(message);
  }

  shift(): Waiting {
    const message = this.#items[this.#from]!;
    this.#staying = Math.max(0, this.#staying - 1);
    this.#from += 1;
    if (this.#from === this.#items.length || this.#from >= 1024) {
      this.#items.splice(0, this.#from);
      this.#from = 0;
    }
    return message;
  }

  /** Takes out the oldest that gives way. @param instead what is in its place then, if anything. */
  giveUp(instead: (message: Waiting) => Waiting | undefined): Waiting | undefined {
    let at = this.#from + this.#staying;
    while (this.#items[at]?.mayGo === false) at += 1;
    this.#staying = at - this.#from;
    const message = this.#items[at];
    const other = message && instead(message);
    if (other !== undefined) this.#items[at] = other;
    else if (this.#staying === 0) this.shift();
    else this.#items.splice(at, 1);
    return message;
  }

  [Symbol.iterator](): Iterator<Waiting> {
    return this.#items.slice(this.#from).values();
  }

  /** Takes out those that are not to stay. */
  filter(stays: (message: Waiting) => boolean): void {
    this.#items = this.#items.slice(this.#from).filter(stays);
    this.#from = 0;
    this.#staying = 0;
  }
}

/**
 * What waits, because the transport or the peer takes no more for now, or because there is no connection. `control`
 * goes first; the other priorities share by their weights, each byte of theirs counted (self-clocked fair queueing:
 * the priority goes next that would have had the least of its share then, and one that had nothing to send does not save
 * it up). So bulk
 * is never in the way, and never starves. A message that is dropped here leaves no hole, having no sequence.
 */
export class PendingQueue {
  /** Of all frames that wait. */
  bytes = 0;
  count = 0;
  /** No message that waits expires before. */
  soonest = Number.POSITIVE_INFINITY;
  #lines: (Line | undefined)[] = [];
  #keyed: Map<string, Waiting> | undefined = undefined;
  #clock = 0;

  /** What it holds of memory, about. */
  get cost(): number {
    return this.bytes + this.count * waitingOverheadBytes;
  }

  /** The one that waits with this key. */
  withKey(key: string): Waiting | undefined {
    return this.#keyed?.get(key);
  }

  push(message: Waiting): void {
    const rank = priorities.indexOf(message.priority);
    const line = this.#line(rank);
    if (line.oldest === undefined) line.at = Math.max(line.at, this.#clock);
    line.push(message);
    this.#entered(message);
  }

  /** Puts what a message says in the place of one that waits with the same key. */
  replace(old: Waiting, { frame, sequenced, expiresAt, settled, watch }: Waiting): void {
    this.#count(old, -1);
    Object.assign(old, { frame, sequenced, expiresAt, settled, watch });
    this.#count(old, 1);
  }

  /** The same of one of another priority: in the old one's lane what is sent behind it would overtake it. */
  move(old: Waiting, message: Waiting): void {
    this.retain((one) => one !== old);
    this.push(message);
  }

  /**
   * The next to go.
   * @param below passes over this priority and those behind it.
   */
  peek(below?: Priority): Waiting | undefined {
    return this.#next(below)?.oldest;
  }

  /** Takes out what `peek` has shown. */
  shift(message: Waiting): void {
    const line = this.#lines[priorities.indexOf(message.priority)]!;
    line.at = line.due;
    this.#clock = Math.max(this.#clock, line.at);
    line.shift();
    this.#removed(message);
  }

  #next(below: Priority | undefined): Line | undefined {
    const end = below === undefined ? priorities.length : priorities.indexOf(below);
    let next: Line | undefined;
    for (let rank = 0; rank < end; rank++) {
      const line = this.#lines[rank];
      if (line?.oldest === undefined) continue;
      if (rank === 0) return line;
      if (next === undefined || line.due < next.due) next = line;
    }
    return next;
  }

  /**
   * Takes out the message that is to give way to one of this priority: the oldest of the least priority there is.
   * @param instead what waits in its place then, if anything, or in that of one with the same key.
   * @returns undefined where all that wait are of a higher one, or may not go.
   */
  evict(
    priority: Priority,
    instead: (message: Waiting) => Waiting | undefined = () => undefined,
  ): Waiting | undefined {
    for (let rank = priorities.length - 1; rank >= priorities.indexOf(priority); rank--) {
      const line = this.#lines[rank];
      if (line?.oldest === undefined) continue;
      const message = line.giveUp((given) => this.#unlessKnown(instead(given)));
      if (message === undefined) continue;
      this.#removed(message);
      return message;
    }
    return undefined;
  }

  /** Takes out all that expire at `nowMs` or before. */
  expire(nowMs: number): Waiting[] {
    if (this.soonest > nowMs) return [];
    let soonest = Number.POSITIVE_INFINITY;
    const expired = this.retain(({ expiresAt }) => {
      if (expiresAt <= nowMs) return false;
      soonest = Math.min(soonest, expiresAt);
      return true;
    });
    this.soonest = soonest;
    return expired;
  }

  /** Takes out those that are not to stay. */
  retain(stays: (message: Waiting) => boolean): Waiting[] {
    const out: Waiting[] = [];
    for (const line of this.#lines) line?.filter((message) => stays(message) || out.push(message) === 0);
    for (const message of out) this.#removed(message);
    return out;
  }

  /** All that wait, those of each priority in their order. */
  *[Symbol.iterator](): Generator<Waiting> {
    for (const line of this.#lines) if (line !== undefined) yield* line;
  }

  #line(rank: number): Line {
    this.#lines[rank] ??= new Line(priorities[rank]!);
    return this.#lines[rank]!;
  }

  /** @returns undefined where it has taken the place of one that waits with the same key. */
  #unlessKnown(message: Waiting | undefined): Waiting | undefined {
    if (message === undefined) return undefined;
    const old = message.key === undefined ? undefined : this.withKey(message.key);
    if (old !== undefined) {
      this.replace(old, message);
      return undefined;
    }
    this.#entered(message);
    return message;
  }

  #entered(message: Waiting): void {
    this.#count(message, 1);
    if (message.key === undefined) return;
    this.#keyed ??= new Map();
    this.#keyed.set(message.key, message);
  }

  #removed(message: Waiting): void {
    this.#count(message, -1);
    if (message.key !== undefined) this.#keyed!.delete(message.key);
    if (this.count > 0) return;
    // Whoever was blocked once holds no memory for it.
    this.#lines = [];
    this.#keyed = undefined;
    this.#clock = 0;
    this.soonest = Number.POSITIVE_INFINITY;
  }

  #count(message: Waiting, one: 1 | -1): void {
    this.count += one;
    this.bytes += one * message.frame.length;
    if (one > 0) this.soonest = Math.min(this.soonest, message.expiresAt);
  }
}
