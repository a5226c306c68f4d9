import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { NO_SLOT } from "#internal/session/free_ring.js";
import { TABLE_HEAD_OFFSET, TABLE_TAIL_OFFSET } from "#internal/session/table_layout.js";
import { type Explored, explore, exploresAll, finish, type Operation, type Thread } from "./explore.js";
import { loadStepped, type Mutation, type Stepped } from "./stepped.js";

interface Ring {
  put(slot: number): Stepped<boolean>;
  take(): Stepped<number>;
}

type RingModule = {
  FreeRing: new (words: Int32Array, cells: number, cellCount: number, slotCount: number) => Ring;
};

/**
 * Slots that it took, the last of each producer (for their order), and how many of its puts came back. Which other
 * producer's slots it took in between makes no difference to any check, so it is not known.
 */
type Known = { readonly taken: number; readonly last: readonly [number, number]; readonly put: number };

const nothing: Known = { taken: 0, last: [-1, -1], put: 0 };
const cells = 64;
const cellCount = 16;
const perProducer = 4;
const spare = 2 * perProducer;

function ringOf(mutations: readonly Mutation[] = []): { ring: Ring; watched: Int32Array[] } {
  const { FreeRing } = loadStepped<RingModule>(["session/free_ring.js"], mutations);
  const words = new Int32Array(new SharedArrayBuffer((cells + cellCount) * 4));
  const watched = [
    words.subarray(TABLE_HEAD_OFFSET >> 2, (TABLE_HEAD_OFFSET >> 2) + 1),
    words.subarray(TABLE_TAIL_OFFSET >> 2, (TABLE_TAIL_OFFSET >> 2) + 1),
    words.subarray(cells),
  ];
  return { ring: new FreeRing(words, cells, cellCount, cellCount - 1), watched };
}

function producer(ring: Ring, slots: readonly number[]): Thread<Known> {
  const put = (slot: number): Operation<Known> =>
    function* (known) {
      assert.ok(yield* ring.put(slot), "there is room");
      return { ...known, put: known.put | (1 << slot) };
    };
  return { known: nothing, operations: slots.map(put) };
}

function consumer(ring: Ring, count: number): Thread<Known> {
  const take: Operation<Known> = function* (known) {
    const slot = yield* ring.take();
    if (slot < 0) {
      assert.equal(slot, NO_SLOT);
      return known;
    }
    const whose = slot < perProducer ? 0 : 1;
    assert.ok(slot > known.last[whose], "a later one of a producer came first");
    return {
      ...known,
      taken: known.taken | (1 << slot),
      last: known.last.with(whose, slot) as [number, number],
    };
  };
  return { known: nothing, operations: Array.from({ length: count }, () => take), role: "consumer" };
}

/** The slots that are still there, each once and in order. */
function drain(ring: Ring): number {
  const known = [-1, -1];
  let rest = 0;
  for (let slot = finish(ring.take()); slot >= 0; slot = finish(ring.take())) {
    const whose = slot < perProducer ? 0 : 1;
    assert.ok(slot > known[whose]!, "a later one of a producer came first, or one twice");
    known[whose] = slot;
    rest |= 1 << slot;
  }
  return rest;
}

function assertApart(sets: readonly number[]): void {
  let all = 0;
  for (const set of sets) {
    assert.equal(all & set, 0, "a slot was taken twice");
    all |= set;
  }
}

function sizeOf(set: number): number {
  return set.toString(2).replaceAll("0", "").length;
}

interface RingScene {
  /** Operations of each thread. */
  readonly each: number;
  /** Where the ring's positions begin. */
  readonly start?: number;
  readonly maxCrashes?: number;
  readonly mutations?: readonly Mutation[];
}

/** Two that put and two that take. */
function exploreRing({ each, start = 0, maxCrashes = 0, mutations = [] }: RingScene): Explored {
  const { ring, watched } = ringOf(mutations);
  for (let position = 0; position < start; position += 1) {
    assert.ok(finish(ring.put(spare)));
    assert.equal(finish(ring.take()), spare);
  }
  const slots = Array.from({ length: each }, (_, index) => index);
  const threads = [
    producer(ring, slots),
    producer(
      ring,
      slots.map((slot) => slot + perProducer),
    ),
    consumer(ring, each),
    consumer(ring, each),
  ].map((thread) => ({ ...thread, crashes: maxCrashes > 0 }));
  return explore<Known>({
    watched,
    threads,
    maxCrashes,
    always(states) {
      assertApart(states.map(({ known }) => known.taken));
    },
    finally(states) {
      const sets = [...states.map(({ known }) => known.taken), drain(ring)];
      assertApart(sets);
      const all = sets.reduce((union, set) => union | set, 0);
      const put = states.reduce((union, { known }) => union | known.put, 0);
      const unfinished = states.filter(({ crashed }) => crashed).length;
      // A thread that ends with a slot in its hand, or before it could say so, loses that one hint and no more.
      const missing = sizeOf(put & ~all);
      assert.ok(missing <= unfinished, `${missing} slots were lost by ${unfinished} crashes`);
      assert.ok(finish(ring.put(spare)), "the ring goes on");
      assert.equal(finish(ring.take()), spare);
    },
  });
}

describe("the ring of free slots, in every order of two producers and two consumers", () => {
  it("gives every slot once, in order, and loses none", () => {
    // Three operations of each are 1.6 million states, four 20 million. The laps change in the middle.
    const { states } = exploreRing({ each: exploresAll ? 4 : 3, start: cellCount - 3 });
    assert.ok(states > 1_000_000, `only ${states} states`);
  });

  it("goes on when any of them, and then another, ends between any two of its accesses", () => {
    const { states } = exploreRing({ each: exploresAll ? 3 : 2, start: cellCount - 1, maxCrashes: 2 });
    assert.ok(states > 100_000, `only ${states} states`);
  });

  it("is found out when a cell's lap is forgotten", () => {
    const forgotten = {
      file: "session/free_ring.js",
      from: "Atomics.compareExchange(words, at, cell, nextLap) !== cell",
      to: "Atomics.compareExchange(words, at, cell, lap) !== cell",
    };
    assert.throws(() => exploreRing({ each: 1, mutations: [forgotten] }), assert.AssertionError);
  });

  it("is found out when the exchange of a cell becomes a store", () => {
    const stored = {
      file: "session/free_ring.js",
      from: "if (Atomics.compareExchange(words, at, cell, nextLap) !== cell)",
      to: "Atomics.store(words, at, nextLap); if (false)",
    };
    assert.throws(() => exploreRing({ each: 1, mutations: [stored] }), assert.AssertionError);
  });

  it("is found out when the tail moves before the cell is filled", () => {
    const swapped = {
      file: "session/free_ring.js",
      from: "if (Atomics.compareExchange(words, at, cell, lap | (slot + 1)) !== cell)",
      to: "Atomics.compareExchange(words, TAIL, tail, (tail + 1) | 0); if (Atomics.compareExchange(words, at, cell, lap | (slot + 1)) !== cell)",
    };
    assert.throws(() => exploreRing({ each: 1, maxCrashes: 2, mutations: [swapped] }), assert.AssertionError);
  });
});
