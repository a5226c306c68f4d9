import type { Cursor } from "./cursor.js";
import { costOf, type KeptEntry, type Retention } from "./retention.js";

/** A message that is kept. */
export interface HistoryEntry {
  readonly sequence: number;
  /** The payload; not to be written to. */
  readonly bytes: Uint8Array;
  /** The application's type of message, u32. */
  readonly type: number;
}

/** Where a topic's history no longer, or never, reached back to a cursor. */
export interface Gap {
  /** The topic's epoch now. */
  readonly epoch: number;
  /** The sequence of the first message that can still be had; where none is kept, of the next one. */
  readonly oldest: number;
}

/** What came after a cursor. */
export interface Recovered {
  /** In order. Where there is a gap: all that is kept and did not come before the cursor. */
  readonly entries: readonly HistoryEntry[];
  /** Whether nothing is missing between the cursor and the first entry, nor between the entries. */
  readonly recovered: boolean;
  /** There if and only if something may be missing. */
  readonly gap?: Gap;
}

/**
 * One topic's messages: numbered from 1 on without a hole, and the newest of them kept as the retention's policy says.
 * What is kept is never anything but the end of what was appended, so whether something is missing after a cursor can
 * always be told.
 */
export class TopicHistory {
  readonly subject: string;
  readonly #retention: Retention | undefined;
  #epoch: number;
  #sequence = 0;
  /** Where the epoch before ended, if what was kept in it is still the same. */
  #former: Cursor | undefined;
  // The first #head of them are gone already.
  #entries: (KeptEntry | undefined)[] = [];
  #head = 0;
  #bytes = 0;

  /** Nothing is kept without a retention. */
  constructor(subject: string, epoch: number, retention?: Retention) {
    this.subject = subject;
    this.#epoch = epoch;
    this.#retention = retention;
  }

  get epoch(): number {
    return this.#epoch;
  }

  /** Right after the last message of the epoch before; undefined where nothing is known of that. */
  get former(): Cursor | undefined {
    return this.#former;
  }

  /** Of the newest message; 0 before the first. */
  get sequence(): number {
    return this.#sequence;
  }

  /** Right after the newest message. */
  get cursor(): Cursor {
    return { epoch: this.#epoch, sequence: this.#sequence };
  }

  /** How many are kept. */
  get size(): number {
    return this.#entries.length - this.#head;
  }

  /** What they take, counted as in the policy. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The sequence of the oldest that is kept; where none is, of the next message. */
  get oldest(): number {
    return this.#sequence + 1 - this.size;
  }

  /** All that are kept, in order. */
  get kept(): readonly HistoryEntry[] {
    return this.#keptFrom(this.#head);
  }

  /** The newest, where it is kept; else nothing. */
  get last(): readonly HistoryEntry[] {
    return this.#keptFrom(Math.max(this.#head, this.#entries.length - 1));
  }

  /**
   * The next message. What is kept of it is a copy.
   * @returns the cursor right after it.
   */
  append(bytes: Uint8Array, type: number, nowMs: number): Cursor {
    this.#sequence += 1;
    const retention = this.#retention;
    if (retention !== undefined && retention.policy.count > 0) this.#keep(retention, bytes, type, nowMs);
    return this.cursor;
  }

  /**
   * Another epoch: what is kept stays with its sequences, which go on. Whoever has a place in the one that ends may have
   * missed something after its end, and gets of what is kept what came after that place.
   */
  renew(epoch: number): void {
    this.#former = this.cursor;
    this.#epoch = epoch;
  }

  /**
   * Goes on right after a cursor, with other entries than it has.
   * @param entries those that came right before the cursor, in order and without a hole.
   * @param former where the epoch before ended, if these entries were of it.
   */
  moveTo(cursor: Cursor, entries: readonly HistoryEntry[], nowMs: number, former?: Cursor): void {
    while (this.size > 0) this.dropOldest();
    this.#epoch = cursor.epoch;
    this.#former = former;
    this.#sequence = (entries[0]?.sequence ?? cursor.sequence + 1) - 1;
    for (const { bytes, type } of entries) this.append(bytes, type, nowMs);
  }

  /** What came after a cursor: a place of another epoch, or before or after what is known, is a gap. */
  since(cursor: Cursor): Recovered {
    const { oldest } = this;
    const former = this.#former;
    if (former?.epoch === cursor.epoch && cursor.sequence <= former.sequence) {
      const next = Math.max(oldest, cursor.sequence + 1);
      const entries = this.#keptFrom(this.#head + next - oldest);
      return { entries, recovered: false, gap: { epoch: this.#epoch, oldest: next } };
    }
    const isKnown =
      cursor.epoch === this.#epoch && cursor.sequence >= oldest - 1 && cursor.sequence <= this.#sequence;
    if (!isKnown) return { entries: this.kept, recovered: false, gap: { epoch: this.#epoch, oldest } };
    const skipped = cursor.sequence - (oldest - 1);
    return { entries: this.#keptFrom(this.#head + skipped), recovered: true };
  }

  /** Without what ties them to others, which is nobody's business. */
  #keptFrom(at: number): HistoryEntry[] {
    const entries = this.#entries.slice(at) as KeptEntry[];
    return entries.map(({ sequence, bytes, type }) => ({ sequence, bytes, type }));
  }

  /** There must be one. */
  dropOldest(): void {
    const entry = this.#entries[this.#head]!;
    this.#entries[this.#head] = undefined;
    this.#head += 1;
    // Half of it at least is moved away, so each entry is moved once on average.
    if (this.#head * 2 >= this.#entries.length) {
      this.#entries = this.#entries.slice(this.#head);
      this.#head = 0;
    }
    this.#bytes -= costOf(entry);
    this.#retention!.drop(entry);
  }

  #keep(retention: Retention, bytes: Uint8Array, type: number, nowMs: number): void {
    const { count, bytes: maxBytes } = retention.policy;
    // One that stayed only for being the newest is not that any more.
    if (this.#entries.at(-1)?.isOverdue) this.dropOldest();
    const cost = costOf({ bytes });
    while (this.size > 0 && (this.size >= count || this.#bytes + cost > maxBytes)) this.dropOldest();
    if (cost > maxBytes) return;
    const entry: KeptEntry = {
      sequence: this.#sequence,
      bytes: new Uint8Array(bytes),
      type,
      history: this,
      keptAtMs: nowMs,
      isOverdue: false,
      previous: undefined,
      next: undefined,
    };
    this.#entries.push(entry);
    this.#bytes += cost;
    retention.keep(entry);
  }
}
