import {
  RECORD_ALIGNMENT,
  RECORD_HEADER_BYTES,
  RECORD_PADDING,
  RING_HEAD_OFFSET,
  RING_HEADER_BYTES,
  RING_SLEEPING_OFFSET,
  RING_STARVED_OFFSET,
  RING_TAIL_OFFSET,
} from "../native/ring.js";

const TAIL = RING_TAIL_OFFSET >> 2;
const HEAD = RING_HEAD_OFFSET >> 2;
const SLEEPING = RING_SLEEPING_OFFSET >> 2;
const STARVED = RING_STARVED_OFFSET >> 2;

/** What became of a record: it has no room now, it lies in the ring, or it does and its reader is to be woken. */
export const Written = { noRoom: 0, silently: 1, wake: 2 } as const;
export type Written = (typeof Written)[keyof typeof Written];

/**
 * The producer's side of a ring of records, as `RingWriter` of native/ring/ring.h is in C++; RingReader is the other.
 * One thread writes into a ring. It keeps its own position, so that whoever scribbles over the ring spoils records and
 * never makes it write outside.
 */
export class InboxWriter {
  readonly #words: Int32Array;
  readonly #data: Uint8Array;
  readonly #capacity: number;
  #tail: number;
  #published: number;
  #head: number;

  /** `ring` is one that `createRing` made. A writer that follows one that died goes on where that one's last whole record ends. */
  constructor(ring: SharedArrayBuffer) {
    this.#words = new Int32Array(ring);
    this.#data = new Uint8Array(ring, RING_HEADER_BYTES);
    this.#capacity = ring.byteLength - RING_HEADER_BYTES;
    this.#tail = Atomics.load(this.#words, TAIL) & -RECORD_ALIGNMENT;
    this.#published = this.#tail;
    this.#head = Atomics.load(this.#words, HEAD);
  }

  /** A record takes at most half of the ring. */
  get maxPayloadBytes(): number {
    return this.#capacity / 2 - RECORD_HEADER_BYTES;
  }

  /** Copies a record into the ring and publishes it. */
  write(kind: number, slot: number, generation: number, sender: number, payload: Uint8Array): Written {
    return this.stage(kind, slot, generation, sender, payload) ? this.publish() : Written.noRoom;
  }

  /** How much of what is in the ring the reader cannot see yet. */
  get unpublishedBytes(): number {
    return (this.#tail - this.#published) | 0;
  }

  /**
   * Copies a record into the ring, for the next `publish`. `kind` is 1 to 65535; `payload` is at most `maxPayloadBytes`.
   * @returns false when there is no room.
   */
  stage(kind: number, slot: number, generation: number, sender: number, payload: Uint8Array): boolean {
    const words = this.#words;
    const mask = this.#capacity - 1;
    const recordBytes = RECORD_HEADER_BYTES + ((payload.length + RECORD_ALIGNMENT - 1) & -RECORD_ALIGNMENT);
    const toEnd = this.#capacity - (this.#tail & mask);
    const skipped = recordBytes > toEnd ? toEnd : 0;
    if (!this.#hasRoom(skipped + recordBytes)) return false;
    if (skipped > 0) {
      const padding = (RING_HEADER_BYTES + (this.#tail & mask)) >> 2;
      words[padding] = 0;
      words[padding + 1] = RECORD_PADDING;
    }
    const place = (this.#tail + skipped) & mask;
    const header = (RING_HEADER_BYTES + place) >> 2;
    words[header] = payload.length;
    words[header + 1] = kind;
    words[header + 2] = slot;
    words[header + 3] = generation;
    words[header + 4] = sender;
    this.#data.set(payload, place + RECORD_HEADER_BYTES);
    this.#tail = (this.#tail + skipped + recordBytes) | 0;
    return true;
  }

  /** Lets the reader see what has been staged. */
  publish(): Written {
    const words = this.#words;
    this.#published = this.#tail;
    // The records first, then the position, then a look at the flag: a reader sets the flag, then looks at the position.
    Atomics.store(words, TAIL, this.#tail);
    if (Atomics.load(words, SLEEPING) === 0) return Written.silently;
    return Atomics.exchange(words, SLEEPING, 0) === 0 ? Written.silently : Written.wake;
  }

  /** Half of the ring is taken: the high-water mark. */
  isAtMark(): boolean {
    return !this.#hasRoom(this.#capacity / 2 + RECORD_ALIGNMENT);
  }

  /**
   * Asks the reader to say when it has made room: at half of the mark, and for such a payload wherever it falls.
   * @returns false when there is that room already, and nothing will be said.
   */
  awaitRoom(payloadBytes: number): boolean {
    const anywhere = 2 * (RECORD_HEADER_BYTES + payloadBytes + RECORD_ALIGNMENT);
    const room = Math.min(this.#capacity, Math.max((this.#capacity / 4) * 3, anywhere));
    Atomics.store(this.#words, STARVED, 1);
    // The mark first, then the look: a reader gives room, then looks at the mark.
    if (!this.#hasRoom(room)) return true;
    Atomics.store(this.#words, STARVED, 0);
    return false;
  }

  #hasRoom(bytes: number): boolean {
    if (this.#capacity - ((this.#tail - this.#head) | 0) >= bytes) return true;
    const head = Atomics.load(this.#words, HEAD);
    const used = (this.#tail - head) | 0;
    // A position that cannot be counts as a full ring.
    if (used < 0 || used > this.#capacity || head % RECORD_ALIGNMENT !== 0) return false;
    this.#head = head;
    return this.#capacity - used >= bytes;
  }
}
