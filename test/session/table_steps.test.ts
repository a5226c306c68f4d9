import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Claim } from "#internal/session/claim.js";
import type { SlotDirectory } from "#internal/session/directory.js";
import { type SessionHandle, slotOf } from "#internal/session/handle.js";
import type { SessionIdentity } from "#internal/session/session_identity.js";
import {
  type SlotState,
  TABLE_HEAD_OFFSET,
  TABLE_HEADER_BYTES,
  TABLE_RECOVERED_OFFSET,
  TABLE_SUSPECT_OFFSET,
  TABLE_TAIL_OFFSET,
  type TableMemory,
} from "#internal/session/table_layout.js";
import { createTableMemory } from "#internal/session/table_memory.js";
import { type Explored, explore, exploresAll, finish, type Operation, type ThreadState } from "./explore.js";
import { ModelDirectory, type OwnLayout } from "./model_directory.js";
import { loadStepped, type Mutation, type Stepped } from "./stepped.js";

interface Table {
  tryAllocate(claim: Claim): Stepped<SessionHandle | undefined>;
  open(handle: SessionHandle, identity: SessionIdentity, tick: number): Stepped<boolean>;
  touch(handle: SessionHandle, tick: number): Stepped<boolean>;
  startClose(handle: SessionHandle): Stepped<boolean>;
  finishClose(handle: SessionHandle, claim: Claim): Stepped<boolean>;
  release(handle: SessionHandle, claim: Claim): Stepped<boolean>;
  lookup(handle: SessionHandle): Stepped<SlotState | undefined>;
}

interface Recovery {
  step(budgetSlots: number): Stepped<boolean>;
}

type TableModule = { SessionTable: new (memory: TableMemory, directory: SlotDirectory) => Table };
type RecoveryModule = { Recovery: new (table: Table, claim: Claim, directory: SlotDirectory) => Recovery };

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
  const memory = createTableMemory(slots);
  const files = ["session/table.js", "session/recovery.js", "session/table_layout.js"];
  const module = loadStepped<TableModule & RecoveryModule & OwnLayout>(files, mutations);
  const model = new ModelDirectory(memory, slots, environments, module);
  const { claims, tables, recoveries } = {
    claims: model.environments.map(({ claim }) => claim),
    // Another each time, as every environment has its own: it remembers how far it has scanned.
    tables: (index: number) => new module.SessionTable(memory, model.environments[index]!),
    recoveries: (index: number) =>
      new module.Recovery(tables(index), claims[index]!, model.environments[index]!),
  };
  return { memory, model, claims, tables, recoveries };
}

type Scene = ReturnType<typeof tableOf>;

function operationOf({ claims, tables }: Scene, environment: number, step: Step): Operation<Known> {
  const claim = claims[environment]!;
  return function* (known) {
    const table = tables(environment);
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
  const threads = scripts.map((script, index) => ({
    known: fresh,
    operations: script.map((step) => operationOf(scene, index, step)),
    crashes: options.crashes !== undefined,
  }));
  return explore<Known>({
    watched: watchedOf(scene),
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

/** All but the parts of the header that nobody writes. */
function watchedOf({ memory, model }: Scene): Int32Array[] {
  const words = (from: number, count: number) => memory.subarray(from >> 2, (from >> 2) + count);
  return [
    words(TABLE_HEAD_OFFSET, 1),
    words(TABLE_TAIL_OFFSET, 1),
    words(TABLE_SUSPECT_OFFSET, (TABLE_RECOVERED_OFFSET - TABLE_SUSPECT_OFFSET) / 4 + 1),
    memory.subarray(TABLE_HEADER_BYTES >> 2),
    model.words,
  ];
}

/** Whatever crashed, the others' sessions are theirs, and every other slot can be had after a recovery. */
function checkEnd(scene: Scene, slots: number, states: readonly ThreadState<Known>[]): void {
  const { model, claims, tables, recoveries } = scene;
  const last = claims.at(-1)!;
  const table = tables(claims.length - 1);
  for (const [index, state] of states.entries()) if (state.crashed) model.leave(index);
  if (states.some(({ crashed }) => crashed)) putInOrder(recoveries(claims.length - 1));
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

function putInOrder(recovery: Recovery): void {
  for (let turn = 0; turn < 10; turn += 1) if (finish(recovery.step(1_000))) return;
  assert.fail("recovery does not end");
}

/**
 * One has ended after any number of its accesses; while what it left is put in order, another goes on, and whoever puts
 * it in order may end as well: then the next does it. There is always a slot for the one that goes on.
 */
function exploreRecovery(script: readonly Step[], mutations: readonly Mutation[] = []): number {
  const [rebuilder, worker, dead, environments] = [0, 1, 2, 4];
  let states = 0;
  let last = "";
  for (let accesses = 1; ; accesses += 1) {
    const scene = tableOf(2, environments, mutations);
    const { memory, model, recoveries } = scene;
    const gone = endAfter(
      accesses,
      life.map((step) => operationOf(scene, dead, step)),
    );
    if (gone === undefined) return states;
    model.leave(dead);
    // An access that wrote nothing has left what the last one did.
    const left = `${memory.join()} ${model.words.join()}`;
    if (left === last) continue;
    last = left;
    const recover: Operation<Known> = function* (known) {
      const recovery = recoveries(rebuilder);
      while (!(yield* recovery.step(1)));
      return known;
    };
    const explored = explore<Known>({
      watched: watchedOf(scene),
      maxCrashes: 1,
      threads: [
        { known: { ...fresh, gone }, operations: [recover], crashes: true },
        { known: fresh, operations: script.map((step) => operationOf(scene, worker, step)) },
      ],
      finally([recovered, other]) {
        assert.equal(other!.known.refused, 0, "it was refused beside a free slot");
        // What was suspected meanwhile is for another pass.
        if (!recovered!.crashed) putInOrder(recoveries(rebuilder));
        checkEnd(scene, 2, [recovered!, other!]);
      },
    });
    states += explored.states;
  }
}

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
  { file: "session/table_layout.js", from: "OWN_HEADER_WORDS = 16", to: "OWN_HEADER_WORDS = 2" },
];

/**
 * An environment keeps one slot, and lets go of its other one, while two more look for one: nobody is refused unless
 * somebody else got the one that was kept.
 */
function exploreKept(mutations: readonly Mutation[]): Explored {
  const scene = tableOf(2, 4, [...keepsOne, ...mutations]);
  const { claims, tables } = scene;
  const table = tables(0);
  const [first, held] = [0, 1].map(() => finish(table.tryAllocate(claims[0]!))!);
  finish(table.startClose(first!));
  finish(table.finishClose(first!, claims[0]!));
  assert.ok(finish(table.release(first!, claims[0]!)));
  return explore<Known>({
    watched: watchedOf(scene),
    threads: [
      { known: { ...fresh, held: held! }, operations: [operationOf(scene, 0, "release")] },
      { known: fresh, operations: [operationOf(scene, 1, "allocate")] },
      { known: fresh, operations: [operationOf(scene, 2, "allocate")] },
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

/** In small tables an allocation finds what the ring misses by a last look at the slots; in large ones it may not. */
const noLooks: Mutation = {
  file: "session/allocation.js",
  from: "Math.min(maxLooks, this.#slotCount)",
  to: "0",
};

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
    exploreTable(2, [cycle, ["allocate"]], { mutations: keepsOne });
  });

  it("are not lost when it ends between any two of its accesses", () => {
    exploreTable(2, [cycle, ["allocate", "release"]], { crashes: 1, mutations: keepsOne });
  });

  it("are found by whoever looks for one while others go to the ring", () => {
    exploreKept([]);
  });
});

describe("the recovery of a session table", () => {
  it("brings back what a thread left that ended after any of its accesses, beside one that goes on", () => {
    const script = exploresAll ? (["allocate", "release", "allocate"] as const) : (["allocate"] as const);
    const states = exploreRecovery(script, [noLooks]);
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
    const mutations = [...keepsOne, untagged];
    assert.throws(() => exploreTable(2, [cycle, ["allocate"]], { mutations }), assert.AssertionError);
  });

  it("finds out that a slot is offered before its claim ends", () => {
    const swapped = [
      {
        file: "session/allocation.js",
        from: "if (Atomics.compareExchange(this.#words, at, claim, 0) !== claim)\n            return;\n        this.offer(slot);",
        to: "this.offer(slot); Atomics.compareExchange(this.#words, at, claim, 0);",
      },
      noLooks,
    ];
    const scripts = [
      ["allocate", "release"],
      ["allocate", "release", "allocate"],
    ] as const;
    assert.throws(() => exploreTable(2, scripts, { mutations: swapped }), assert.AssertionError);
  });

  it("finds out that a kept slot is read where it should be exchanged", () => {
    const read = {
      file: "session/own_slots.js",
      from: "Atomics.exchange(words, OWN_HEADER_WORDS + (position & (this.#size - 1)), 0)",
      to: "Atomics.load(words, OWN_HEADER_WORDS + (position & (this.#size - 1)))",
    };
    const mutations = [...keepsOne, read];
    assert.throws(
      () => exploreTable(2, [cycle, ["allocate"], ["allocate"]], { mutations }),
      assert.AssertionError,
    );
  });

  it("finds out that a slot is kept for all to see while its session lives", () => {
    const swapped = {
      file: "session/own_slots.js",
      from: "words[this.#slots + slot] = generation << 1;",
      to: "Atomics.store(words, OWN_HEADER_WORDS + (position & (this.#size - 1)), slot + 1); words[this.#slots + slot] = generation << 1;",
    };
    const mutations = [...keepsOne, swapped];
    assert.throws(
      () => exploreTable(2, [cycle, ["allocate"], ["allocate"]], { mutations }),
      assert.AssertionError,
    );
  });

  it("finds out that a slot is written to behind its environment's letting go of it", () => {
    const late = [
      { file: "session/allocation.js", from: "words[wordOf(slot) + STATE] = free;", to: "" },
      {
        file: "session/allocation.js",
        from: "this.#directory.unbind(slot, generation);",
        to: "this.#directory.unbind(slot, generation); this.giveBack(slot, claim); words[wordOf(slot) + STATE] = free;",
      },
    ];
    const scripts = [
      ["allocate", "release"],
      ["allocate", "open"],
      ["allocate", "open"],
    ] as const;
    assert.throws(() => exploreTable(2, scripts, { mutations: late }), assert.AssertionError);
  });

  it("finds out that an allocation looks once where a recovery has emptied the ring", () => {
    const hasty = { file: "session/allocation.js", from: "attempt < 2", to: "attempt < 1" };
    assert.throws(() => exploreRecovery(["allocate"], [hasty, noLooks]), /refused beside a free slot/);
  });

  it("finds out that nobody looks at what others keep", () => {
    const blind = { file: "session/allocation.js", from: " ?? this.#steal(claim)", to: "" };
    assert.throws(() => exploreKept([blind]), /refused beside a free slot/);
  });

  it("finds out that a recovery waits for one that has ended", () => {
    const patient = [
      { file: "session/recovery.js", from: "this.#directory.isAlive(rebuilder)", to: "true" },
      { file: "session/recovery.js", from: "this.#turnsWaited < maxTurnsWaited", to: "true" },
    ];
    assert.throws(() => exploreRecovery(["allocate"], patient), assert.AssertionError);
  });

  it("finds out that the slots of the dead are forgotten", () => {
    const forgotten = { file: "session/recovery.js", from: "this.#dead.includes(claim)", to: "false" };
    assert.throws(
      () => exploreTable(2, [["allocate"]], { crashes: 1, mutations: [forgotten] }),
      assert.AssertionError,
    );
  });
});
