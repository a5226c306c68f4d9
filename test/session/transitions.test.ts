import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { SessionHandle } from "#internal/session/handle.js";
import { SessionNumber } from "#internal/session/table.js";
import { SlotState } from "#internal/session/table_layout.js";
import { TableEnvironment } from "./table_environment.js";

const identity = { transport: 1, connection: 2, id: new Uint32Array([3, 4, 5, 6]) };

/** A session that was brought so far; what comes after `closed` is a handle of a slot that is free again. */
const stages = ["opening", "open", "closing", "closed", "released"] as const;
type Stage = (typeof stages)[number];

interface Scene extends Pick<TableEnvironment, "table" | "claim"> {
  readonly handle: SessionHandle;
  /** An environment that has not the session. */
  readonly other: TableEnvironment;
}

function sceneAt(stage: Stage): Scene {
  const owner = TableEnvironment.create(4);
  const { table, claim } = owner;
  const handle = table.allocate(claim);
  const steps = [
    () => table.open(handle, identity, 1),
    () => table.startClose(handle),
    () => table.finishClose(handle, claim),
    () => table.release(handle, claim),
  ];
  for (const step of steps.slice(0, stages.indexOf(stage))) assert.ok(step());
  return { table, claim, handle, other: owner.join() };
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
    run: ({ table, handle, claim }) => table.finishClose(handle, claim),
    legal: { closing: SlotState.closed },
  },
  "finishClose of another": {
    run: ({ handle, other }) => other.table.finishClose(handle, other.claim),
    legal: {},
  },
  release: { run: ({ table, handle, claim }) => table.release(handle, claim), legal: { closed: undefined } },
  "release of another": { run: ({ handle, other }) => other.table.release(handle, other.claim), legal: {} },
  end: {
    run: ({ table, handle, claim }) => table.end(handle, claim),
    legal: { opening: undefined, open: undefined, closing: undefined, closed: undefined },
  },
  "end of another": { run: ({ handle, other }) => other.table.end(handle, other.claim), legal: {} },
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
      const scene = sceneAt("released");
      const { table, claim } = scene;
      const next = Array.from({ length: 4 }, () => table.allocate(claim));
      for (const each of next) table.open(each, identity, 1);
      const before = table.memory.slice();
      assert.equal(run(scene), false);
      assert.deepEqual(table.memory, before);
    }
  });
});
