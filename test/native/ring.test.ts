import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  createRing,
  RECORD_HEADER_BYTES,
  RING_CAPACITY_OFFSET,
  RING_HEAD_OFFSET,
  RING_HEADER_BYTES,
  RING_MAGIC_OFFSET,
  RING_MAX_CAPACITY,
  RING_MIN_CAPACITY,
  RING_SLEEPING_OFFSET,
  RING_STARVED_OFFSET,
  RING_TAIL_OFFSET,
  RING_VERSION_OFFSET,
  RingReader,
} from "#internal/native/ring.js";

const CAPACITY = RING_MIN_CAPACITY;

/** What native/ring/ring.cc does, as plainly as can be: the producer, for a reader without an addon. */
class Producer {
  readonly #view: DataView;
  readonly #bytes: Uint8Array;
  readonly #words: Int32Array;
  #tail: number;

  constructor(ring: SharedArrayBuffer) {
    this.#view = new DataView(ring);
    this.#bytes = new Uint8Array(ring);
    this.#words = new Int32Array(ring);
    this.#tail = this.#view.getUint32(RING_TAIL_OFFSET, true);
  }

  /** Writes the record that `sequence` stands for; false when there is no room. */
  write(sequence: number, length: number): boolean {
    const recordBytes = RECORD_HEADER_BYTES + Math.ceil(length / 8) * 8;
    const toEnd = CAPACITY - (this.#tail % CAPACITY);
    const skipped = recordBytes > toEnd ? toEnd : 0;
    if (skipped + recordBytes > this.freeBytes()) return false;
    if (skipped > 0) this.#bytes.fill(0, this.#at(), this.#at() + 8);
    this.#tail = (this.#tail + skipped) >>> 0;
    const at = this.#at();
    this.#view.setUint32(at, length, true);
    this.#view.setUint16(at + 4, (sequence % 9) + 1, true);
    this.#view.setUint16(at + 6, sequence & 0xffff, true);
    this.#view.setUint32(at + 8, sequence, true);
    this.#view.setUint32(at + 12, ~sequence >>> 0, true);
    this.#view.setUint32(at + 16, sequence * 3, true);
    this.#bytes.fill(sequence & 0xff, at + RECORD_HEADER_BYTES, at + RECORD_HEADER_BYTES + length);
    this.#tail = (this.#tail + recordBytes) >>> 0;
    return true;
  }

  /** @returns true when the consumer is to be woken. */
  publish(): boolean {
    Atomics.store(this.#words, RING_TAIL_OFFSET >> 2, this.#tail | 0);
    return Atomics.exchange(this.#words, RING_SLEEPING_OFFSET >> 2, 0) === 1;
  }

  starve(): void {
    Atomics.store(this.#words, RING_STARVED_OFFSET >> 2, 1);
  }

  freeBytes(): number {
    const head = Atomics.load(this.#words, RING_HEAD_OFFSET >> 2) >>> 0;
    return CAPACITY - ((this.#tail - head) >>> 0);
  }

  #at(): number {
    return RING_HEADER_BYTES + (this.#tail % CAPACITY);
  }
}

function ringAt(start: number): SharedArrayBuffer {
  const ring = createRing(CAPACITY);
  const view = new DataView(ring);
  view.setUint32(RING_TAIL_OFFSET, start, true);
  view.setUint32(RING_HEAD_OFFSET, start, true);
  return ring;
}

function pairAt(start: number): { producer: Producer; reader: RingReader } {
  const ring = ringAt(start);
  return { producer: new Producer(ring), reader: new RingReader(ring) };
}

function assertRecord(reader: RingReader, sequence: number, length: number): void {
  assert.equal(reader.slot, sequence);
  assert.equal(reader.kind, (sequence % 9) + 1);
  assert.equal(reader.flags, sequence & 0xffff);
  assert.equal(reader.generation, ~sequence >>> 0);
  assert.equal(reader.stream, sequence * 3);
  assert.equal(reader.length, length);
  assert.equal(reader.offset % 8, 0);
  const bytes = reader.bytes();
  assert.equal(bytes.byteLength, length);
  assert.ok(bytes.every((byte) => byte === (sequence & 0xff)));
}

describe("a ring's reader", () => {
  test("keeps records whole across the end of the ring, at every alignment and where positions wrap", () => {
    for (const end of [CAPACITY, 2 ** 31, 2 ** 32]) {
      for (let beforeEnd = 8; beforeEnd <= 128; beforeEnd += 8) {
        for (let length = 0; length <= 70; length++) {
          const { producer, reader } = pairAt(end - beforeEnd);
          for (let sequence = 1; sequence <= 4; sequence++) assert.ok(producer.write(sequence, length));
          assert.equal(reader.next(), false, "nothing is seen before it is published");
          producer.publish();
          for (let sequence = 1; sequence <= 4; sequence++) {
            assert.ok(reader.next());
            assertRecord(reader, sequence, length);
          }
          assert.equal(reader.next(), false);
          reader.release();
          assert.equal(producer.freeBytes(), CAPACITY);
        }
      }
    }
  });

  test("carries more than the ring holds, in order, with lengths up to the largest", () => {
    const { producer, reader } = pairAt(2 ** 32 - CAPACITY / 2);
    const lengthOf = (sequence: number) => (Math.imul(sequence, 40503) >>> 0) % (CAPACITY / 2 - 23);
    let read = 0;
    for (let written = 0; written < 3000; written++) {
      while (!producer.write(written, lengthOf(written))) {
        producer.publish();
        while (reader.next()) {
          assertRecord(reader, read, lengthOf(read));
          read++;
        }
        reader.release();
      }
    }
    assert.ok(read > 2900);
  });

  test("gives room back by itself after an eighth of the ring, and never that of the current record", () => {
    const { producer, reader } = pairAt(0);
    for (let sequence = 0; sequence < 1024; sequence++) assert.ok(producer.write(sequence, 40));
    producer.publish();
    assert.equal(producer.freeBytes(), 0);
    for (let sequence = 0; sequence < 128; sequence++) assert.ok(reader.next());
    assert.equal(producer.freeBytes(), 0);
    assert.ok(reader.next());
    assert.equal(producer.freeBytes(), CAPACITY / 8);
    assertRecord(reader, 128, 40);
    reader.release();
    assert.equal(producer.freeBytes(), CAPACITY / 8 + 64);
  });

  test("sleeps only when there is nothing to read, and is woken once", () => {
    const { producer, reader } = pairAt(0);
    assert.equal(reader.trySleep(), true);
    producer.write(1, 8);
    assert.equal(producer.publish(), true);
    producer.write(2, 8);
    assert.equal(producer.publish(), false);
    assert.equal(reader.trySleep(), false);
    assert.equal(producer.publish(), false, "the sleep that was not slept is taken back");
    assert.ok(reader.next());
    assert.equal(reader.trySleep(), false, "one record is left");
    assert.ok(reader.next());
    assert.equal(reader.trySleep(), true);
    assert.equal(producer.freeBytes(), CAPACITY, "a sleeping reader holds no room");
  });

  test("hears of a starving producer once, and does not sleep before", () => {
    const { producer, reader } = pairAt(0);
    assert.equal(reader.takeStarved(), false);
    producer.starve();
    assert.equal(reader.trySleep(), false);
    assert.equal(reader.takeStarved(), true);
    assert.equal(reader.takeStarved(), false);
    assert.equal(reader.trySleep(), true);
  });

  test("overwrites what it gives back when asked to, across the end too, and nothing else", () => {
    const ring = ringAt(CAPACITY - 128);
    const producer = new Producer(ring);
    const reader = new RingReader(ring, { poison: true });
    for (let sequence = 1; sequence <= 4; sequence++) producer.write(sequence, 40);
    producer.publish();
    const kept: Uint8Array[] = [];
    for (let i = 0; i < 3; i++) {
      assert.ok(reader.next());
      kept.push(reader.bytes());
    }
    assert.deepEqual(
      kept.map((bytes) => bytes[0]),
      [1, 2, 3],
    );
    reader.release();
    assert.ok(kept.every((bytes) => bytes.every((byte) => byte === 0xdb)));
    assert.ok(reader.next());
    assertRecord(reader, 4, 40);
  });

  test("refuses a capacity that no ring has, and a buffer that is no ring", () => {
    const refused = { code: "ERR_MILLRACE_INVALID_ARGUMENT" };
    for (const capacity of [0, CAPACITY / 2, CAPACITY + 8, 3 * CAPACITY, RING_MAX_CAPACITY * 2, Number.NaN]) {
      assert.throws(() => createRing(capacity), refused);
    }
    assert.throws(() => new RingReader(new SharedArrayBuffer(0)), refused);
    assert.throws(() => new RingReader(new SharedArrayBuffer(RING_HEADER_BYTES + CAPACITY)), refused);
    for (const offset of [RING_MAGIC_OFFSET, RING_VERSION_OFFSET, RING_CAPACITY_OFFSET]) {
      const ring = createRing(CAPACITY);
      new DataView(ring).setUint32(offset, 77, true);
      assert.throws(() => new RingReader(ring), refused);
    }
  });

  test("throws, and goes on throwing, when a thread has written over the ring", () => {
    const corrupt = { code: "ERR_MILLRACE_INTERNAL" };
    const damages: [what: string, offset: number, value: number][] = [
      ["a tail beyond the ring", RING_TAIL_OFFSET, CAPACITY + 8],
      ["a tail behind the head", RING_TAIL_OFFSET, 2 ** 32 - 8],
      ["a tail between records", RING_TAIL_OFFSET, 12],
      ["a record longer than what was published", RING_HEADER_BYTES, 9],
      ["a record longer than any", RING_HEADER_BYTES, CAPACITY],
      ["a negative length", RING_HEADER_BYTES, 2 ** 32 - 1],
      ["padding with nothing behind it", RING_HEADER_BYTES + 4, 0],
    ];
    for (const [what, offset, value] of damages) {
      const ring = createRing(CAPACITY);
      const producer = new Producer(ring);
      const reader = new RingReader(ring);
      producer.write(1, 8);
      producer.publish();
      new DataView(ring).setUint32(offset, value, true);
      assert.throws(() => reader.next(), corrupt, what);
      assert.throws(() => reader.next(), corrupt, what);
    }
  });
});
