import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { explore, finish, type Operation, type Thread, type ThreadState } from "./explore.js";
import { loadStepped, type Mutation, type Stepped } from "./stepped.js";

interface Ring {
  put(slot: number): Stepped<boolean>;
  take(): Stepped<number>;
}

type RingModule = {
  FreeRing: new (words: Int32Array, cells: number, cellCount: number, slotCount: number) => Ring;
};

/** Slots that it took, in order, and those whose put came back. */
type Known = { readonly taken: readonly number[]; readonly put: readonly number[] };

const nothing: Known = { taken: [], put: [] };
const cells = 64;
const cellCount = 8;

function ringOf(mutations: readonly Mutation[] = []): { ring: Ring; memory: SharedArrayBuffer } {
  const { FreeRing } = loadStepped<RingModule>(["session/free_ring.js"], mutations);
  const memory = new SharedArrayBuffer((cells + cellCount) * 4);
  return { ring: new FreeRing(new Int32Array(memory), cells, cellCount, cellCount - 1), memory };
}

function producer(ring: Ring, slots: readonly number[]): Thread<Known> {
  const put = (slot: number): Operation<Known> =>
    function* (known) {
      assert.ok(yield* ring.put(slot), "there is room");
      return { ...known, put: [...known.put, slot] };
    };
  return { known: nothing, operations: slots.map(put) };
}

function consumer(ring: Ring, count: number): Thread<Known> {
  const take: Operation<Known> = function* (known) {
    const slot = yield* ring.take();
    return slot < 0 ? known : { ...known, taken: [...known.taken, slot] };
  };
  return { known: nothing, operations: Array.from({ length: count }, () => take) };
}

function takenBy(threads: readonly ThreadState<Known>[]): number[] {
  return threads.flatMap(({ known }) => known.taken);
}

function drain(ring: Ring): number[] {
  const rest: number[] = [];
  for (let slot = finish(ring.take()); slot >= 0; slot = finish(ring.take())) rest.push(slot);
  return rest;
}

/** One producer's slots come out in the order in which it put them, whoever takes them. */
function assertOrdered(slots: readonly number[]): void {
  for (const sorted of [slots.filter((slot) => slot < 4), slots.filter((slot) => slot >= 4)]) {
    assert.deepEqual(sorted, [...sorted].sort(), "a later one of a producer came first");
  }
}

/** Two that put and two that take, `each` operations a thread, from a ring whose positions begin at `start`. */
function exploreRing(each: number, start: number, crashes: boolean, mutations: readonly Mutation[] = []) {
  const { ring, memory } = ringOf(mutations);
  for (let position = 0; position < start; position += 1) {
    assert.ok(finish(ring.put(6)));
    assert.equal(finish(ring.take()), 6);
  }
  const threads = [
    producer(ring, [0, 1, 2, 3].slice(0, each)),
    producer(ring, [4, 5, 6].slice(0, each)),
    consumer(ring, each),
    consumer(ring, each),
  ].map((thread) => ({ ...thread, crashes }));
  return explore<Known>({
    memory,
    threads,
    maxCrashes: 2,
    always(states) {
      const taken = takenBy(states);
      assert.equal(new Set(taken).size, taken.length, "a slot was taken twice");
      for (const { known } of states) assertOrdered(known.taken);
    },
    finally(states) {
      const rest = drain(ring);
      assertOrdered(rest);
      const all = [...takenBy(states), ...rest];
      assert.equal(new Set(all).size, all.length, "a slot was taken twice");
      const put = states.flatMap(({ known }) => known.put);
      const unfinished = states.filter(({ crashed }) => crashed).length;
      const missing = put.filter((slot) => !all.includes(slot)).length;
      // A thread that ends with a slot in its hand, or before it could say so, loses that one hint and no more.
      assert.ok(missing <= unfinished, `${missing} slots were lost by ${unfinished} crashes`);
      assert.ok(finish(ring.put(6)), "the ring goes on");
      assert.equal(finish(ring.take()), 6);
    },
  });
}

describe("the ring of free slots, in every order of two producers and two consumers", () => {
  it("gives every slot once, in order, and loses none", () => {
    for (const [each, start] of [
      [2, 5], // the laps change in the middle
      [1, 0],
    ] as const) {
      const { states } = exploreRing(each, start, false);
      assert.ok(states > 2_000, `only ${states} states`);
    }
  });

  it("goes on when any of them, and then another, ends between any two of its accesses", () => {
    const { states } = exploreRing(1, 7, true);
    assert.ok(states > 10_000, `only ${states} states`);
  });

  it("is found out when a cell's lap is forgotten", () => {
    const forgotten = {
      file: "session/free_ring.js",
      from: "Atomics.compareExchange(words, at, cell, nextLap) !== cell",
      to: "Atomics.compareExchange(words, at, cell, lap) !== cell",
    };
    assert.throws(() => exploreRing(1, 0, false, [forgotten]), assert.AssertionError);
  });

  it("is found out when the exchange of a cell becomes a store", () => {
    const stored = {
      file: "session/free_ring.js",
      from: "if (Atomics.compareExchange(words, at, cell, nextLap) !== cell)",
      to: "Atomics.store(words, at, nextLap); if (false)",
    };
    assert.throws(() => exploreRing(1, 0, false, [stored]), assert.AssertionError);
  });

  it("is found out when the tail moves before the cell is filled", () => {
    const swapped = {
      file: "session/free_ring.js",
      from: "if (Atomics.compareExchange(words, at, cell, lap | (slot + 1)) !== cell)",
      to: "Atomics.compareExchange(words, TAIL, tail, (tail + 1) | 0); if (Atomics.compareExchange(words, at, cell, lap | (slot + 1)) !== cell)",
    };
    assert.throws(() => exploreRing(1, 0, true, [swapped]), assert.AssertionError);
  });
});
