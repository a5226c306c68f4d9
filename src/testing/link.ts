import type { FullFaults } from "./faults.js";
import type { Random } from "./random.js";
import type { Scheduler } from "./scheduler.js";

/** A held datagram lets so many go before it, drawn for each: three and more look like loss to QUIC (RFC 9002). */
const MAX_OVERTAKERS = 4;
/** It is held no longer than this where too few follow. */
const MAX_HOLD_MS = 25;
/** What one direction may have under way, so that a sender who is never answered fills no memory. */
const MAX_BYTES_UNDER_WAY = 64 * 1024 * 1024;

/** Why a datagram was not forwarded. */
export type DropCause = "loss" | "size" | "queue" | "blocked" | "flows" | "network";

/** What became of a datagram when it came in. */
export type Fate = "forwarded" | DropCause;

/** What one direction has done since the relay began. */
export interface LinkCounters {
  /** Datagrams and bytes that came in. */
  readonly received: number;
  readonly receivedBytes: number;
  /** Those that went out; both of a pair are counted. */
  readonly forwarded: number;
  readonly forwardedBytes: number;
  /** Those that came in and never went out. */
  readonly dropped: number;
  /**
   * The same by cause: `lossRate`, `maxDatagramBytes`, the line's queue, `block`, too many clients at once, and
   * what the operating system refused to send.
   */
  readonly droppedBy: Readonly<Record<DropCause, number>>;
  /** Those that went out twice. */
  readonly duplicated: number;
  /** Those that went out behind one that had come in after them. */
  readonly reordered: number;
}

interface Item {
  readonly bytes: Uint8Array;
  readonly send: (bytes: Uint8Array) => void;
  readonly dueMs: number;
  readonly copies: 1 | 2;
  /** How many still go before it; 0 where it keeps its place. */
  overtakers: number;
  overtaken: boolean;
}

/** One direction of a relay: datagrams go in, and come out as its faults have it. */
export class Link {
  faults: FullFaults;
  blocked = false;
  readonly #random: Random;
  readonly #time: Scheduler;
  /** In the order of their time; from `#first` on. */
  #line: Item[] = [];
  #first = 0;
  #held: Item[] = [];
  #bytesUnderWay = 0;
  #lastDueMs = 0;
  #lineFreeAtMs = 0;
  #timer: { readonly atMs: number; readonly cancel: () => void } | undefined;
  readonly #dropped: Record<DropCause, number> = {
    loss: 0,
    size: 0,
    queue: 0,
    blocked: 0,
    flows: 0,
    network: 0,
  };
  #received = 0;
  #receivedBytes = 0;
  #forwarded = 0;
  #forwardedBytes = 0;
  #duplicated = 0;
  #reordered = 0;

  constructor(faults: FullFaults, random: Random, time: Scheduler) {
    this.faults = faults;
    this.#random = random;
    this.#time = time;
  }

  get counters(): LinkCounters {
    const droppedBy = { ...this.#dropped };
    return {
      received: this.#received,
      receivedBytes: this.#receivedBytes,
      forwarded: this.#forwarded,
      forwardedBytes: this.#forwardedBytes,
      dropped: Object.values(droppedBy).reduce((sum, count) => sum + count, 0),
      droppedBy,
      duplicated: this.#duplicated,
      reordered: this.#reordered,
    };
  }

  /** Takes a datagram; `send` is called once or twice, now or later, unless it is dropped. */
  push(bytes: Uint8Array, send: (bytes: Uint8Array) => void): Fate {
    this.#received += 1;
    this.#receivedBytes += bytes.length;
    const cause = this.#dropCause(bytes.length);
    if (cause !== undefined) {
      this.#dropped[cause] += 1;
      return cause;
    }
    this.#enqueue(bytes, send);
    return "forwarded";
  }

  /** Counts one that never came as far as the line. */
  drop(bytes: number, cause: DropCause): void {
    this.#received += 1;
    this.#receivedBytes += bytes;
    this.#dropped[cause] += 1;
  }

  /** Counts one that the operating system refused after it was counted as forwarded. */
  undo(bytes: number): void {
    this.#forwarded -= 1;
    this.#forwardedBytes -= bytes;
    this.#dropped.network += 1;
  }

  /** Forgets what is under way. */
  clear(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#line = [];
    this.#held = [];
    this.#first = 0;
    this.#bytesUnderWay = 0;
  }

  #dropCause(bytes: number): DropCause | undefined {
    if (this.blocked) return "blocked";
    if (bytes > this.faults.maxDatagramBytes) return "size";
    if (this.#random.chance(this.faults.lossRate)) return "loss";
    const waitingMs = Math.max(0, this.#lineFreeAtMs - this.#time.now());
    const waitingBytes = (waitingMs / 1_000) * this.#rate();
    const full = waitingBytes > this.faults.queueBytes || this.#bytesUnderWay + bytes > MAX_BYTES_UNDER_WAY;
    return full ? "queue" : undefined;
  }

  /** 0 where the line is not limited, so that nothing waits for it. */
  #rate(): number {
    return Number.isFinite(this.faults.bytesPerSecond) ? this.faults.bytesPerSecond : 0;
  }

  #enqueue(bytes: Uint8Array, send: (bytes: Uint8Array) => void): void {
    const { delayMs, jitterMs, reorderRate, duplicateRate, bytesPerSecond } = this.faults;
    const now = this.#time.now();
    this.#lineFreeAtMs = Math.max(now, this.#lineFreeAtMs) + (bytes.length / bytesPerSecond) * 1_000;
    const dueMs = Math.max(this.#lastDueMs, this.#lineFreeAtMs + delayMs + jitterMs * this.#random.next());
    const overtakers = this.#random.chance(reorderRate) ? this.#random.upTo(MAX_OVERTAKERS) : 0;
    const copies = this.#random.chance(duplicateRate) ? 2 : 1;
    this.#lastDueMs = dueMs;
    this.#bytesUnderWay += bytes.length;
    this.#line.push({ bytes, send, dueMs, copies, overtakers, overtaken: false });
    if (this.#timer === undefined || dueMs < this.#timer.atMs) this.#run();
  }

  /** Sends what is due, then waits for the next. */
  #run(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    const now = this.#time.now();
    while (this.#first < this.#line.length && this.#line[this.#first]!.dueMs <= now) {
      const item = this.#line[this.#first]!;
      this.#first += 1;
      if (item.overtakers > 0) this.#held.push(item);
      else this.#overtake(item);
    }
    if (this.#first > 1_024 || this.#first === this.#line.length) {
      this.#line.splice(0, this.#first);
      this.#first = 0;
    }
    while (this.#held.length > 0 && this.#held[0]!.dueMs + MAX_HOLD_MS <= now)
      this.#emit(this.#held.shift()!);
    this.#wait();
  }

  #overtake(item: Item): void {
    this.#emit(item);
    if (this.#held.length === 0) return;
    const free: Item[] = [];
    for (const held of this.#held) {
      held.overtaken = true;
      held.overtakers -= 1;
      if (held.overtakers === 0) free.push(held);
    }
    if (free.length === 0) return;
    this.#held = this.#held.filter((held) => held.overtakers > 0);
    for (const held of free) this.#emit(held);
  }

  #emit(item: Item): void {
    this.#bytesUnderWay -= item.bytes.length;
    if (item.overtaken) this.#reordered += 1;
    if (item.copies === 2) this.#duplicated += 1;
    for (let copy = 0; copy < item.copies; copy++) {
      this.#forwarded += 1;
      this.#forwardedBytes += item.bytes.length;
      item.send(item.bytes);
    }
  }

  #wait(): void {
    const next = this.#line[this.#first]?.dueMs ?? Number.POSITIVE_INFINITY;
    const held = this.#held.length > 0 ? this.#held[0]!.dueMs + MAX_HOLD_MS : Number.POSITIVE_INFINITY;
    const atMs = Math.min(next, held);
    if (Number.isFinite(atMs)) this.#timer = { atMs, cancel: this.#time.at(atMs, () => this.#run()) };
  }
}
