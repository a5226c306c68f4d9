import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Claim } from "#internal/session/environments.js";
import type { SessionHandle } from "#internal/session/handle.js";
import { SessionNumber, SessionTable } from "#internal/session/table.js";
import { SlotState } from "#internal/session/table_layout.js";
import { createTableMemory } from "#internal/session/table_memory.js";

const identity = { transport: 1, connection: 2, id: new Uint32Array([3, 4, 5, 6]) };

/** A session that was brought so far; what comes after `closed` is a handle of a slot that is free again. */
const stages = ["opening", "open", "closing", "closed", "released"] as const;
type Stage = (typeof stages)[number];

interface Scene {
  readonly table: SessionTable;
  readonly handle: SessionHandle;
  readonly owner: Claim;
  readonly other: Claim;
}

function sceneAt(stage: Stage): Scene {
  const table = new SessionTable(createTableMemory(4));
  const [owner, other] = [table.environments.join(), table.environments.join()];
  const handle = table.allocate(owner);
  const steps = [
    () => table.open(handle, identity, 1),
    () => table.startClose(handle),
    () => table.finishClose(handle, owner),
    () => table.release(handle, owner),
  ];
  for (const step of steps.slice(0, stages.indexOf(stage))) assert.ok(step());
  return { table, handle, owner, other };
}

/** Each operation, where it is allowed, and what the state is then; undefined for a handle that names nobody. */
const operations: Record<
  string,
  {
    readonly run: (scene: Scene) => boolean;
    readonly legal: Partial<Record<Stage, SlotState | undefined>>;
  }
> = {
  open: {
    run: ({ table, handle }) => table.open(handle, { ...identity, transport: 9 }, 7),
    legal: { opening: SlotState.open },
  },
  touch: { run: ({ table, handle }) => table.touch(handle, 7), legal: { open: SlotState.open } },
  startClose: {
    run: ({ table, handle }) => table.startClose(handle),
    legal: { opening: SlotState.closing, open: SlotState.closing },
  },
  finishClose: {
    run: ({ table, handle, owner }) => table.finishClose(handle, owner),
    legal: { closing: SlotState.closed },
  },
  "finishClose of another": {
    run: ({ table, handle, other }) => table.finishClose(handle, other),
    legal: {},
  },
  release: { run: ({ table, handle, owner }) => table.release(handle, owner), legal: { closed: undefined } },
  "release of another": { run: ({ table, handle, other }) => table.release(handle, other), legal: {} },
  end: {
    run: ({ table, handle, owner }) => table.end(handle, owner),
    legal: { opening: undefined, open: undefined, closing: undefined, closed: undefined },
  },
  "end of another": { run: ({ table, handle, other }) => table.end(handle, other), legal: {} },
  set: {
    run: ({ table, handle }) => table.set(handle, SessionNumber.messages, 7),
    legal: {
      opening: SlotState.opening,
      open: SlotState.open,
      closing: SlotState.closing,
      closed: SlotState.closed,
    },
  },
  add: {
    run: ({ table, handle }) => table.add(handle, SessionNumber.messages, 7),
    legal: {
      opening: SlotState.opening,
      open: SlotState.open,
      closing: SlotState.closing,
      closed: SlotState.closed,
    },
  },
};

describe("each operation of the session table", () => {
  for (const [name, { run, legal }] of Object.entries(operations)) {
    for (const stage of stages) {
      if (stage in legal) {
        it(`${name} is done with a session that is ${stage}`, () => {
          const scene = sceneAt(stage);
          assert.equal(run(scene), true);
          assert.equal(scene.table.lookup(scene.handle), legal[stage]);
        });
      } else {
        it(`${name} is refused with a session that is ${stage}, and changes no word`, () => {
          const scene = sceneAt(stage);
          const before = scene.table.memory.slice();
          assert.equal(run(scene), false);
          assert.deepEqual(scene.table.memory, before);
        });
      }
    }
  }

  it("is refused with a handle whose slot is another session's by now, and leaves that as it is", () => {
    for (const { run } of Object.values(operations)) {
      const { table, handle, owner, other } = sceneAt("released");
      const next = Array.from({ length: 4 }, () => table.allocate(owner));
      for (const each of next) table.open(each, identity, 1);
      const before = table.memory.slice();
      assert.equal(run({ table, handle, owner, other }), false);
      assert.deepEqual(table.memory, before);
    }
  });
});
