import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type FullFaults, noFaults } from "#internal/testing/faults.js";
import { Link } from "#internal/testing/link.js";
import { Random } from "#internal/testing/random.js";
import { VirtualTime } from "../kit/virtual_time.js";

interface Arrival {
  readonly number: number;
  readonly atMs: number;
}

/** A link that numbers what it is given, and writes down what comes out and when. */
class Line {
  readonly time = new VirtualTime();
  readonly link: Link;
  readonly arrivals: Arrival[] = [];
  #sent = 0;

  constructor(faults: Partial<FullFaults>, seed = 1) {
    this.link = new Link({ ...noFaults, ...faults }, new Random(seed), this.time);
  }

  send(bytes = 100): string {
    const number = this.#sent++;
    return this.link.push(new Uint8Array(bytes), () => {
      this.arrivals.push({ number, atMs: this.time.now() });
    });
  }

  /** Sends so many, one each millisecond, and waits until nothing is under way. */
  run(count: number): this {
    for (let i = 0; i < count; i++) {
      this.send();
      this.time.advance(1);
    }
    this.time.advance(10_000);
    return this;
  }

  get numbers(): number[] {
    return this.arrivals.map(({ number }) => number);
  }
}

function assertNear(actual: number, wanted: number, tolerance: number): void {
  assert.ok(Math.abs(actual - wanted) <= tolerance, `${actual} instead of ${wanted} ± ${tolerance}`);
}

const count = 20_000;

describe("a link", () => {
  test("without faults passes everything on at once, in order", () => {
    const line = new Line({});
    for (let i = 0; i < 100; i++) line.send();
    assert.deepEqual(
      line.arrivals,
      Array.from({ length: 100 }, (_, number) => ({ number, atMs: 0 })),
    );
  });

  test("delays by exactly delayMs", () => {
    const line = new Line({ delayMs: 50 });
    line.send();
    line.time.advance(10);
    line.send();
    line.time.advance(39);
    assert.equal(line.arrivals.length, 0);
    line.time.advance(100);
    assert.deepEqual(line.arrivals, [
      { number: 0, atMs: 50 },
      { number: 1, atMs: 60 },
    ]);
  });

  test("adds from 0 to jitterMs, without changing the order", () => {
    const line = new Line({ delayMs: 10, jitterMs: 20 });
    const sentAt: number[] = [];
    for (let i = 0; i < 1_000; i++) {
      sentAt.push(line.time.now());
      line.send();
      line.time.advance(50); // farther apart than the jitter, so that one does not wait for another
    }
    const delays = line.arrivals.map(({ number, atMs }) => atMs - sentAt[number]!);
    assert.ok(delays.every((delay) => delay >= 10 && delay < 30));
    assertNear(delays.reduce((sum, delay) => sum + delay, 0) / delays.length, 20, 1);
    const crowded = new Line({ jitterMs: 20 }).run(1_000);
    assert.deepEqual(
      crowded.numbers,
      Array.from({ length: 1_000 }, (_, number) => number),
    );
  });

  test("loses lossRate of them, and counts them", () => {
    const line = new Line({ lossRate: 0.05 }).run(count);
    const { received, forwarded, dropped, droppedBy } = line.link.counters;
    assert.equal(received, count);
    assert.equal(forwarded + dropped, count);
    assert.equal(droppedBy.loss, dropped);
    assert.equal(line.arrivals.length, forwarded);
    assertNear(dropped / count, 0.05, 0.005);
  });

  test("loses everything at a rate of 1, and nothing at 0", () => {
    assert.equal(new Line({ lossRate: 1 }).run(1_000).arrivals.length, 0);
    assert.equal(new Line({ lossRate: 0 }).run(1_000).arrivals.length, 1_000);
  });

  test("duplicates duplicateRate of them, one directly behind the other", () => {
    const line = new Line({ duplicateRate: 0.01 }).run(count);
    const { duplicated, forwarded } = line.link.counters;
    assert.equal(forwarded, count + duplicated);
    assertNear(duplicated / count, 0.01, 0.002);
    const { numbers } = line;
    const twice = numbers.filter((number, index) => number === numbers[index - 1]);
    assert.equal(twice.length, duplicated);
    assert.equal(new Set(numbers).size, count);
  });

  test("reorders reorderRate of them by one to four places, and loses none", () => {
    const line = new Line({ delayMs: 5, reorderRate: 0.2 }).run(count);
    const { numbers } = line;
    assert.equal(numbers.length, count);
    assert.equal(new Set(numbers).size, count);
    let largest = -1;
    const late: number[] = [];
    for (const number of numbers) {
      if (number < largest) late.push(largest - number);
      largest = Math.max(largest, number);
    }
    assert.equal(line.link.counters.reordered, late.length);
    assertNear(late.length / count, 0.2, 0.01);
    assert.ok(late.some((places) => places >= 3));
  });

  test("holds one back for 25 ms where nothing follows", () => {
    const line = new Line({ reorderRate: 1 });
    line.send();
    line.time.advance(24);
    assert.equal(line.arrivals.length, 0);
    line.time.advance(1);
    assert.deepEqual(line.arrivals, [{ number: 0, atMs: 25 }]);
    assert.equal(line.link.counters.reordered, 0);
  });

  test("drops what is larger than maxDatagramBytes, and nothing else", () => {
    const line = new Line({ maxDatagramBytes: 1_200 });
    assert.equal(line.send(1_200), "forwarded");
    assert.equal(line.send(1_201), "size");
    assert.deepEqual(line.numbers, [0]);
    assert.equal(line.link.counters.droppedBy.size, 1);
  });

  test("takes as long as bytesPerSecond says, and drops what its queue does not hold", () => {
    const line = new Line({ bytesPerSecond: 100_000, queueBytes: 5_000 });
    const fates = Array.from({ length: 10 }, () => line.send(1_000));
    // Six begin before 5,000 bytes wait, the seventh would be beyond.
    assert.deepEqual(fates, [...Array(6).fill("forwarded"), ...Array(4).fill("queue")]);
    line.time.advance(1_000);
    assert.deepEqual(
      line.arrivals.map(({ atMs }) => Math.round(atMs)),
      [10, 20, 30, 40, 50, 60],
    );
    assert.equal(line.send(1_000), "forwarded");
  });

  test("does the same for the same seed, and something else for another", () => {
    const faults = { delayMs: 20, jitterMs: 10, lossRate: 0.1, reorderRate: 0.1, duplicateRate: 0.1 };
    const one = new Line(faults, 7).run(2_000);
    assert.deepEqual(one.arrivals, new Line(faults, 7).run(2_000).arrivals);
    assert.notDeepEqual(one.arrivals, new Line(faults, 8).run(2_000).arrivals);
  });

  test("that is blocked drops what comes in, and lets arrive what is under way", () => {
    const line = new Line({ delayMs: 10 });
    line.send();
    line.link.blocked = true;
    assert.equal(line.send(), "blocked");
    line.time.advance(20);
    assert.deepEqual(line.numbers, [0]);
  });

  test("holds no more than 64 MiB under way", () => {
    const line = new Line({ delayMs: 1_000 });
    let taken = 0;
    while (line.send(60_000) === "forwarded") taken += 60_000;
    assert.ok(taken > 63 * 1024 * 1024 && taken <= 64 * 1024 * 1024);
    line.time.advance(1_000);
    assert.equal(line.send(60_000), "forwarded");
  });
});
