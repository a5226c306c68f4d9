/**
 * The consumer's side of a ring of records that the native engine fills: one SharedArrayBuffer, one
 * producer, one consumer. `native/ring/ring_layout.h` draws it; the constants are the same, and a test
 * compares them. `native/ring/ring.h` says why the shared words are accessed in which order.
 */

import { InternalError, InvalidArgumentError } from "../errors.js";

export const RING_MAGIC = 0x4752524d;
export const RING_VERSION = 1;
export const RING_HEADER_BYTES = 256;
export const RING_MIN_CAPACITY = 64 * 1024;
export const RING_MAX_CAPACITY = 1024 * 1024 * 1024;

export const RING_MAGIC_OFFSET = 0;
export const RING_VERSION_OFFSET = 4;
export const RING_CAPACITY_OFFSET = 8;
export const RING_TAIL_OFFSET = 64;
export const RING_HEAD_OFFSET = 128;
export const RING_SLEEPING_OFFSET = 192;
export const RING_STARVED_OFFSET = 196;

export const RECORD_HEADER_BYTES = 24;
export const RECORD_ALIGNMENT = 8;
export const RECORD_PADDING = 0;

const TAIL = RING_TAIL_OFFSET >> 2;
const HEAD = RING_HEAD_OFFSET >> 2;
const SLEEPING = RING_SLEEPING_OFFSET >> 2;
const STARVED = RING_STARVED_OFFSET >> 2;
const POISON = 0xdb;

/**
 * Allocates an empty ring.
 * @param capacityBytes a power of two, 64 KiB to 1 GiB. A record takes at most half of it.
 * @throws InvalidArgumentError (ERR_MILLRACE_INVALID_ARGUMENT)
 */
export function createRing(capacityBytes: number): SharedArrayBuffer {
  if (!isCapacity(capacityBytes)) {
    throw new InvalidArgumentError(
      `the capacity of a ring is a power of two, 64 KiB to 1 GiB, and not ${capacityBytes}`,
    );
  }
  const ring = new SharedArrayBuffer(RING_HEADER_BYTES + capacityBytes);
  writeHeader(new Int32Array(ring), capacityBytes);
  return ring;
}

function writeHeader(words: Int32Array, capacityBytes: number): void {
  words[RING_MAGIC_OFFSET >> 2] = RING_MAGIC;
  words[RING_VERSION_OFFSET >> 2] = RING_VERSION;
  words[RING_CAPACITY_OFFSET >> 2] = capacityBytes;
}

function isCapacity(bytes: number): boolean {
  return bytes >= RING_MIN_CAPACITY && bytes <= RING_MAX_CAPACITY && Number.isInteger(Math.log2(bytes));
}

export interface RingReaderOptions {
  /** Overwrites the records that are given back, so that a test sees who kept a view. Default false. */
  readonly poison?: boolean;
  /**
   * Begins behind whatever the ring holds, and writes anew what its buffer's size says, in place of checking it: so
   * nobody who writes over that keeps a ring that contradicted itself from being read again. Default false.
   */
  readonly atEnd?: boolean;
}

/**
 * Reads records in order and without allocating: `next` steps to one and fills the public fields.
 *
 * Whoever holds the buffer can write into it, so every word is checked before it is used as a place or a
 * length; a ring that contradicts itself makes `next` throw, now and for ever after.
 */
export class RingReader {
  readonly ring: SharedArrayBuffer;

  /** Of the current record; meaningless before the first `next` and after one that returned false. */
  kind = 0;
  flags = 0;
  slot = 0;
  generation = 0;
  stream = 0;
  /** Bytes of the payload, and where it begins in `ring` (a multiple of 8). */
  length = 0;
  offset = 0;

  // Positions run freely modulo 2^32 and are kept as signed 32-bit numbers: differences are right, and V8
  // keeps them unboxed.
  #position: number; // Behind the current record.
  #released: number; // The shared head, as we wrote it.
  #tail: number; // The shared tail, when it was last read.
  /** All of `ring`. */
  readonly words: Int32Array;
  readonly #capacity: number;
  readonly #maxPayloadBytes: number;
  readonly #releaseAfterBytes: number;
  readonly #poison: boolean;

  /** @throws InvalidArgumentError when the buffer is not a ring of this version. */
  constructor(ring: SharedArrayBuffer, options: RingReaderOptions = {}) {
    const capacity = ring.byteLength - RING_HEADER_BYTES;
    const words = isCapacity(capacity) ? new Int32Array(ring) : new Int32Array(RING_HEADER_BYTES);
    if (options.atEnd && isCapacity(capacity)) writeHeader(words, capacity);
    else if (
      words[RING_MAGIC_OFFSET >> 2] !== RING_MAGIC ||
      words[RING_VERSION_OFFSET >> 2] !== RING_VERSION ||
      words[RING_CAPACITY_OFFSET >> 2] !== capacity
    ) {
      throw new InvalidArgumentError("the buffer is not a ring of this version; make one with createRing");
    }
    this.ring = ring;
    this.words = words;
    this.#capacity = capacity;
    this.#maxPayloadBytes = capacity / 2 - RECORD_HEADER_BYTES;
    this.#releaseAfterBytes = capacity / 8;
    this.#poison = options.poison ?? false;
    this.#position = options.atEnd
      ? Atomics.load(words, TAIL) & -RECORD_ALIGNMENT
      : Atomics.load(words, HEAD);
    if (options.atEnd) Atomics.store(words, HEAD, this.#position);
    this.#released = this.#position;
    this.#tail = this.#position;
  }

  /**
   * Steps to the next record. Views of the earlier ones are no longer valid: their room is given back here
   * whenever an eighth of the ring has been read.
   * @returns false when there is none now.
   * @throws InternalError (ERR_MILLRACE_INTERNAL) when the ring contradicts itself.
   */
  next(): boolean {
    if (((this.#position - this.#released) | 0) >= this.#releaseAfterBytes) this.release();
    const words = this.words;
    const capacity = this.#capacity;
    for (;;) {
      if (this.#position === this.#tail && !this.#reloadTail()) return false;
      const readable = (this.#tail - this.#position) | 0;
      const offset = this.#position & (capacity - 1);
      const toEnd = capacity - offset;
      const word = (RING_HEADER_BYTES + offset) >> 2;
      const length = words[word]!;
      const kindAndFlags = words[word + 1]!;
      const kind = kindAndFlags & 0xffff;

      if (kind === RECORD_PADDING) {
        if (toEnd >= readable) throw corrupt("padding with no record behind it");
        this.#position = (this.#position + toEnd) | 0;
        continue;
      }
      if (length < 0 || length > this.#maxPayloadBytes) throw corrupt(`a record of ${length} bytes`);
      const recordBytes = RECORD_HEADER_BYTES + ((length + RECORD_ALIGNMENT - 1) & -RECORD_ALIGNMENT);
      if (recordBytes > toEnd || recordBytes > readable) throw corrupt("a record that is not all there");

      this.kind = kind;
      this.flags = kindAndFlags >>> 16;
      this.slot = words[word + 2]! >>> 0;
      this.generation = words[word + 3]! >>> 0;
      this.stream = words[word + 4]! >>> 0;
      this.length = length;
      this.offset = RING_HEADER_BYTES + offset + RECORD_HEADER_BYTES;
      this.#position = (this.#position + recordBytes) | 0;
      return true;
    }
  }

  /** Whether everything has been read that was there when `next` last looked. */
  get isCaughtUp(): boolean {
    return this.#position === this.#tail;
  }

  /** A view of the current record's payload, valid until the next call of `next` or `release`. */
  bytes(): Uint8Array {
    return new Uint8Array(this.ring, this.offset, this.length);
  }

  /** A number of the payload, `at` a multiple of 4 within it; for records whose layout the kind gives. */
  uint32(at: number): number {
    return this.words[(this.offset + at) >> 2]! >>> 0;
  }

  int32(at: number): number {
    return this.words[(this.offset + at) >> 2]!;
  }

  /** An unsigned 64-bit number, exact up to 2^53. */
  uint64(at: number): number {
    return this.uint32(at + 4) * 0x1_0000_0000 + this.uint32(at);
  }

  /** UTF-8 from `at` to the end of the payload. */
  text(at: number): string {
    return Buffer.from(this.ring, this.offset + at, this.length - at).toString("utf8");
  }

  /** Gives the producer back the room of every record up to and with the current one. */
  release(): void {
    if (this.#poison) this.#overwriteConsumed();
    this.#released = this.#position;
    Atomics.store(this.words, HEAD, this.#position);
  }

  /**
   * Releases, and asks to be woken when there is a record.
   * @returns false when there is something to do at once: a record, or a producer that starves.
   */
  trySleep(): boolean {
    this.release();
    // Flag first, then look: a producer that publishes after the look sees the flag.
    Atomics.store(this.words, SLEEPING, 1);
    if (Atomics.load(this.words, TAIL) === this.#position && Atomics.load(this.words, STARVED) === 0) {
      return true;
    }
    Atomics.store(this.words, SLEEPING, 0);
    return false;
  }

  /**
   * True once for each time the producer found no room, and now wants to be told that there is some.
   * Call it after `release`, or the producer may starve behind the look.
   */
  takeStarved(): boolean {
    return Atomics.load(this.words, STARVED) !== 0 && Atomics.exchange(this.words, STARVED, 0) !== 0;
  }

  #reloadTail(): boolean {
    const tail = Atomics.load(this.words, TAIL);
    const readable = (tail - this.#position) | 0;
    if (readable === 0) return false;
    if (readable < 0 || readable > this.#capacity || readable % RECORD_ALIGNMENT !== 0) {
      throw corrupt(`${readable} bytes to read`);
    }
    this.#tail = tail;
    return true;
  }

  #overwriteConsumed(): void {
    const consumed = (this.#position - this.#released) | 0;
    const from = this.#released & (this.#capacity - 1);
    const first = Math.min(consumed, this.#capacity - from);
    const data = new Uint8Array(this.ring, RING_HEADER_BYTES);
    data.fill(POISON, from, from + first);
    data.fill(POISON, 0, consumed - first);
  }
}

/** A record as those see it who handle it. */
export type RingRecord = Pick<
  RingReader,
  "kind" | "flags" | "slot" | "generation" | "length" | "bytes" | "uint32" | "int32" | "uint64" | "text"
>;

/** A copy of a record, good for as long as it is wanted. */
export class StoredRecord implements RingRecord {
  readonly kind: number;
  readonly flags: number;
  readonly slot: number;
  readonly generation: number;
  readonly #payload: Buffer;

  constructor(record: RingRecord) {
    this.kind = record.kind;
    this.flags = record.flags;
    this.slot = record.slot;
    this.generation = record.generation;
    this.#payload = Buffer.from(record.bytes());
  }

  get length(): number {
    return this.#payload.length;
  }

  bytes(): Uint8Array {
    return this.#payload;
  }

  uint32(at: number): number {
    return this.#payload.readUInt32LE(at);
  }

  int32(at: number): number {
    return this.#payload.readInt32LE(at);
  }

  uint64(at: number): number {
    return this.uint32(at + 4) * 0x1_0000_0000 + this.uint32(at);
  }

  text(at: number): string {
    return this.#payload.toString("utf8", at);
  }
}

function corrupt(what: string): InternalError {
  return new InternalError(`a ring of the native engine holds ${what}: some thread wrote into its memory`);
}
