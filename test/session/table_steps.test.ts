import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Claim } from "#internal/session/environments.js";
import { type SessionHandle, slotOf } from "#internal/session/handle.js";
import * as shipped from "#internal/session/table.js";
import type * as layout from "#internal/session/table_layout.js";
import {
  type SlotState,
  TABLE_ENVIRONMENTS_OFFSET,
  TABLE_HEAD_OFFSET,
  TABLE_HEADER_BYTES,
  TABLE_RECOVERED_OFFSET,
  TABLE_SUSPECT_OFFSET,
  TABLE_TAIL_OFFSET,
  type TableMemory,
} from "#internal/session/table_layout.js";
import { createTableMemory } from "#internal/session/table_memory.js";
import { type Explored, explore, exploresAll, finish, type Operation, type ThreadState } from "./explore.js";
import { loadStepped, type Mutation, type Stepped } from "./stepped.js";

interface Table {
  readonly environments: {
    declareDead(claim: Claim): Stepped<boolean>;
    dead(): Stepped<Claim[]>;
  };
  tryAllocate(claim: Claim): Stepped<SessionHandle | undefined>;
  open(handle: SessionHandle, identity: shipped.SessionIdentity, tick: number): Stepped<boolean>;
  touch(handle: SessionHandle, tick: number): Stepped<boolean>;
  startClose(handle: SessionHandle): Stepped<boolean>;
  finishClose(handle: SessionHandle, claim: Claim): Stepped<boolean>;
  release(handle: SessionHandle, claim: Claim): Stepped<boolean>;
  lookup(handle: SessionHandle): Stepped<SlotState | undefined>;
}

interface Recovery {
  step(budgetSlots: number): Stepped<boolean>;
}

type TableModule = { SessionTable: new (memory: TableMemory) => Table };
type Layout = Pick<typeof layout, "tableBytesOf">;
type RecoveryModule = { Recovery: new (table: Table, claim: Claim) => Recovery };

/** What a thread has, what it let go of, and what it was told. */
type Known = {
  readonly held: SessionHandle | null;
  readonly gone: readonly SessionHandle[];
  readonly refused: number;
};

type Step = "allocate" | "open" | "touch" | "release" | "lookup";

const fresh: Known = { held: null, gone: [], refused: 0 };
const identity = { transport: 1, connection: 2, id: new Uint32Array([1, 2, 3, 4]) };

function tableOf(slots: number, environments: number, mutations: readonly Mutation[]) {
  const made = createTableMemory(slots);
  const plain = new shipped.SessionTable(made);
  const claims = Array.from({ length: environments }, () => plain.environments.join());
  const files = ["session/table.js", "session/recovery.js", "session/table_layout.js"];
  const module = loadStepped<TableModule & RecoveryModule & Layout>(files, mutations);
  const { SessionTable, Recovery, tableBytesOf } = module;
  // A mutated layout may have room for recent slots, which begin as nothing.
  const memory = new Int32Array(new SharedArrayBuffer(tableBytesOf(slots)));
  memory.set(made);
  return { memory, claims, table: new SessionTable(memory), Recovery, SessionTable };
}

type Scene = ReturnType<typeof tableOf>;

function operationOf({ SessionTable, memory }: Scene, claim: Claim, step: Step): Operation<Known> {
  return function* (known) {
    // A table of its own, as every environment has one: it remembers how far it has scanned.
    const table = new SessionTable(memory);
    const { held } = known;
    if (step === "allocate") {
      const handle = yield* table.tryAllocate(claim);
      return handle === undefined ? { ...known, refused: known.refused + 1 } : { ...known, held: handle };
    }
    if (held === null) return known;
    if (step === "open") assert.ok(yield* table.open(held, identity, 1), "its own session does not open");
    if (step === "touch") assert.ok(yield* table.touch(held, 7), "its own session is stale");
    if (step === "lookup") assert.ok((yield* table.lookup(held)) !== undefined, "its own session is stale");
    if (step !== "release") return known;
    assert.ok(yield* table.startClose(held));
    assert.ok(yield* table.finishClose(held, claim));
    assert.ok(yield* table.release(held, claim), "its own session is not released");
    assert.equal(yield* table.lookup(held), undefined, "a stale handle was resolved");
    return { ...known, held: null, gone: [...known.gone, held] };
  };
}

/** Threads of one environment each that go through these steps, over a table of so many slots. */
function exploreTable(
  slots: number,
  scripts: readonly (readonly Step[])[],
  options: { readonly crashes?: number; readonly mutations?: readonly Mutation[] } = {},
): Explored {
  const scene = tableOf(slots, scripts.length + 1, options.mutations ?? []);
  const { claims, memory } = scene;
  const threads = scripts.map((script, index) => ({
    known: fresh,
    operations: script.map((step) => operationOf(scene, claims[index]!, step)),
    crashes: options.crashes !== undefined,
  }));
  return explore<Known>({
    watched: watchedOf(memory),
    threads,
    maxCrashes: options.crashes ?? 0,
    always(states) {
      // One in the middle of a release may have let go of its slot already.
      const held = states.flatMap(({ known, answers }) =>
        known.held === null || answers.length > 0 ? [] : [known.held % 2 ** 20],
      );
      assert.equal(new Set(held).size, held.length, "two have the same slot");
    },
    finally(states) {
      checkEnd(scene, slots, states);
    },
  });
}

/** All but the parts of the header that nobody writes, or that nobody has. */
function watchedOf(memory: TableMemory): Int32Array[] {
  const words = (from: number, count: number) => memory.subarray(from >> 2, (from >> 2) + count);
  return [
    words(TABLE_HEAD_OFFSET, 1),
    words(TABLE_TAIL_OFFSET, 1),
    words(TABLE_SUSPECT_OFFSET, (TABLE_RECOVERED_OFFSET - TABLE_SUSPECT_OFFSET) / 4 + 1),
    words(TABLE_ENVIRONMENTS_OFFSET, 4),
    memory.subarray(TABLE_HEADER_BYTES >> 2),
  ];
}

/** Whatever crashed, the others' sessions are theirs, and every other slot can be had after a recovery. */
function checkEnd(
  { table, claims, Recovery }: Scene,
  slots: number,
  states: readonly ThreadState<Known>[],
): void {
  const last = claims.at(-1)!;
  const crashed = states.filter((state) => state.crashed);
  for (const [index, state] of states.entries()) {
    if (state.crashed) assert.ok(finish(table.environments.declareDead(claims[index]!)));
  }
  if (crashed.length > 0) recover(new Recovery(table, last));
  let held = 0;
  for (const { known, crashed } of states) {
    for (const handle of known.gone) {
      assert.equal(finish(table.lookup(handle)), undefined, "a stale handle was resolved");
      assert.equal(finish(table.touch(handle, 1)), false, "a stale handle was resolved");
    }
    if (known.held === null || crashed) continue;
    held += 1;
    assert.ok(finish(table.lookup(known.held)) !== undefined, "a session was lost");
  }
  const got = new Set<number>();
  for (
    let handle = finish(table.tryAllocate(last));
    handle !== undefined;
    handle = finish(table.tryAllocate(last))
  ) {
    assert.equal(got.has(handle), false, "a slot was given twice");
    got.add(handle);
    const stale = states.flatMap(({ known }) => known.gone);
    assert.equal(stale.includes(handle), false, "a stale handle names a new session");
  }
  assert.equal(got.size, slots - held, "a slot was lost");
}

function recover(recovery: Recovery): void {
  for (let turn = 0; turn < 10; turn += 1) if (finish(recovery.step(1_000))) return;
  assert.fail("recovery does not end");
}

/**
 * One has ended after any number of its accesses; while what it left is put in order, another goes on. There is always
 * a slot for it.
 */
function exploreRecovery(script: readonly Step[], mutations: readonly Mutation[] = []): number {
  let states = 0;
  let last = "";
  for (let accesses = 1; ; accesses += 1) {
    const scene = tableOf(2, 4, [few, ...mutations]);
    const { claims, memory, Recovery, SessionTable } = scene;
    const [dead, worker, rebuilder] = claims as [Claim, Claim, Claim];
    const gone = endAfter(
      accesses,
      life.map((step) => operationOf(scene, dead, step)),
    );
    if (gone === undefined) return states;
    // An access that wrote nothing has left what the last one did.
    const left = memory.join();
    if (left === last) continue;
    last = left;
    assert.ok(finish(scene.table.environments.declareDead(dead)));
    const recover: Operation<Known> = function* (known) {
      const recovery = new Recovery(new SessionTable(memory), rebuilder);
      while (!(yield* recovery.step(1)));
      return known;
    };
    const explored = explore<Known>({
      watched: watchedOf(memory),
      threads: [
        { known: { ...fresh, gone }, operations: [recover] },
        { known: fresh, operations: script.map((step) => operationOf(scene, worker, step)) },
      ],
      finally([recovered, other]) {
        assert.equal(other!.known.refused, 0, "it was refused beside a free slot");
        finish(new Recovery(scene.table, rebuilder).step(1_000));
        checkEnd(scene, 2, [recovered!, other!]);
      },
    });
    states += explored.states;
  }
}

/** Whoever asks who has ended asks this many; 64 would be as many steps. */
const few = {
  file: "session/table_layout.js",
  from: "TABLE_MAX_ENVIRONMENTS = 64",
  to: "TABLE_MAX_ENVIRONMENTS = 4",
};

/** Makes so many accesses of these operations, and says which handles the thread had had; undefined when there are fewer. */
function endAfter(
  accesses: number,
  operations: readonly Operation<Known>[],
): readonly SessionHandle[] | undefined {
  let known = fresh;
  let left = accesses;
  for (const operation of operations) {
    const run = operation(known);
    let step = run.next();
    while (!step.done) {
      if (typeof step.value === "function" && left === 0)
        return known.held === null ? known.gone : [known.held];
      if (typeof step.value === "function") left -= 1;
      step = run.next(typeof step.value === "function" ? step.value() : undefined);
    }
    known = step.value;
  }
  return undefined;
}

/** Environments of tables of two slots keep one each, which is in use again at once. */
const keepsOne: readonly Mutation[] = [
  {
    file: "session/table_layout.js",
    from: "const share = slotCount / TABLE_MAX_ENVIRONMENTS;",
    to: "const share = slotCount / 2;",
  },
  { file: "session/table_layout.js", from: "RECENT_HEADER_WORDS = 16", to: "RECENT_HEADER_WORDS = 2" },
];

/**
 * One slot is free, and has to make way in its environment's keeping for the other, while two more look for one: nobody
 * is refused unless somebody else got that one.
 */
function exploreMove(mutations: readonly Mutation[]): Explored {
  const scene = tableOf(2, 4, [...keepsOne, few, ...mutations]);
  const { claims, memory, table } = scene;
  const [first, held] = [0, 1].map(() => finish(table.tryAllocate(claims[0]!))!);
  finish(table.startClose(first!));
  finish(table.finishClose(first!, claims[0]!));
  assert.ok(finish(table.release(first!, claims[0]!)));
  return explore<Known>({
    watched: watchedOf(memory),
    threads: [
      { known: { ...fresh, held: held! }, operations: [operationOf(scene, claims[0]!, "release")] },
      { known: fresh, operations: [operationOf(scene, claims[1]!, "allocate")] },
      { known: fresh, operations: [operationOf(scene, claims[2]!, "allocate")] },
    ],
    finally(states) {
      const refused = states.some(({ known }) => known.refused > 0);
      const isTaken = states.some(
        ({ known }) => known.held !== null && slotOf(known.held) === slotOf(first!),
      );
      assert.ok(!refused || isTaken, "it was refused beside a free slot");
      checkEnd(scene, 2, states);
    },
  });
}

const three: Mutation = { ...few, to: "TABLE_MAX_ENVIRONMENTS = 3" };

const cycle: readonly Step[] = ["allocate", "release", "allocate"];

const life: readonly Step[] = ["allocate", "open", "touch", "lookup", "release"];

describe("the session table, in every order of what its threads do", () => {
  it("gives a slot to one, keeps it for that one, and takes it back from it", () => {
    const { states } = exploreTable(2, [life, life]);
    assert.ok(states > 1_000, `only ${states} states`);
  });

  it("refuses or serves whoever comes while the only slot left is being released", () => {
    exploreTable(2, [["allocate"], ["allocate", "release"], ["allocate"]]);
  });

  it("loses no slot, and resolves no stale handle, when threads end between any two of their accesses", () => {
    const { states } = exploreTable(2, [life, ["allocate", "release", "allocate"]], { crashes: 2 });
    assert.ok(states > 2_000, `only ${states} states`);
  });
});

describe("the slots that an environment let go of last, in every order of what its threads do", () => {
  it("are its own again, or another's that finds no other, and never both", () => {
    exploreTable(2, [cycle, ["allocate"]], { mutations: [...keepsOne, three] });
  });

  it("are not lost when it ends between any two of its accesses", () => {
    exploreTable(2, [cycle, ["allocate", "release"]], { crashes: 1, mutations: [...keepsOne, three] });
  });

  it("are found by whoever looks for one while they move on to the ring", () => {
    exploreMove([]);
  });
});

describe("the recovery of a session table", () => {
  it("brings back what a thread left that ended after any of its accesses, beside one that goes on", () => {
    const states = exploreRecovery(exploresAll ? ["allocate", "release", "allocate"] : ["allocate"]);
    assert.ok(states > 10_000, `only ${states} states`);
  });
});

describe("the proof of the session table", () => {
  it("finds out that the generation is not counted", () => {
    const untagged = {
      file: "session/handle.js",
      from: "=== generationMask ? 1 : generation + 1",
      to: "=== generationMask ? 1 : generation",
    };
    assert.throws(() => exploreTable(2, [life, life], { mutations: [untagged] }), assert.AssertionError);
  });

  it("finds out that a slot is offered before its claim ends", () => {
    const swapped = [
      {
        file: "session/table.js",
        from: "if (Atomics.compareExchange(this.#words, at, claim, 0) !== claim)\n            return;\n        if (!this.freeRing.put(slot))\n            this.#suspect();",
        to: "this.freeRing.put(slot); Atomics.compareExchange(this.#words, at, claim, 0);",
      },
    ];
    const scripts = [["allocate", "release"], ["allocate"], ["allocate"]] as const;
    assert.throws(() => exploreTable(2, scripts, { mutations: swapped }), assert.AssertionError);
  });

  it("finds out that a claim is stored where it should be exchanged", () => {
    const stored = {
      file: "session/table.js",
      from: "if (Atomics.compareExchange(words, base + CLAIM, 0, claim) !== 0)",
      to: "Atomics.store(words, base + CLAIM, claim); if (false)",
    };
    const doubled = {
      file: "session/free_ring.js",
      from: "words, at, cell, nextLap) !== cell",
      to: "words, at, cell, nextLap) === 0",
    };
    assert.throws(
      () => exploreTable(2, [["allocate"], ["allocate"]], { mutations: [stored, doubled] }),
      assert.AssertionError,
    );
  });

  it("finds out that an allocation looks once where a recovery has emptied the ring", () => {
    const hasty = { file: "session/table.js", from: "attempt < 2", to: "attempt < 1" };
    assert.throws(() => exploreRecovery(["allocate"], [hasty]), /refused beside a free slot/);
  });

  it("finds out that a slot is forgotten before it is offered to all", () => {
    const swapped = {
      file: "session/table.js",
      from: "if (this.#isSlot(last) && !this.freeRing.put(last))\n            this.#suspect();\n        recent.put(slot);",
      to: "recent.put(slot); if (this.#isSlot(last) && !this.freeRing.put(last)) this.#suspect();",
    };
    assert.throws(() => exploreMove([swapped]), /refused beside a free slot/);
  });

  it("finds out that nobody looks at what others let go of", () => {
    const blind = {
      file: "session/table.js",
      from: "looks < this.#recentWords",
      to: "looks < 0",
    };
    assert.throws(() => exploreMove([blind]), /refused beside a free slot/);
  });

  it("finds out that an allocation looks once where a slot moves on to the ring", () => {
    const hasty = { file: "session/table.js", from: "attempt < 2", to: "attempt < 1" };
    assert.throws(() => exploreMove([hasty]), /refused beside a free slot/);
  });

  it("finds out that the slots of the dead are forgotten", () => {
    const forgotten = { file: "session/recovery.js", from: "this.#dead.includes(claim)", to: "false" };
    assert.throws(
      () => exploreTable(2, [["allocate"]], { crashes: 1, mutations: [forgotten] }),
      assert.AssertionError,
    );
  });
});
