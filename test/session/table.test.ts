import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { InvalidArgumentError, SessionTableFullError } from "millrace";
import { type SessionHandle, slotOf } from "#internal/session/handle.js";
import { Recovery } from "#internal/session/recovery.js";
import { SessionNumber, SessionTable } from "#internal/session/table.js";
import { SlotState, TABLE_HEAD_OFFSET, TABLE_MAX_SLOTS } from "#internal/session/table_layout.js";
import { createTableMemory } from "#internal/session/table_memory.js";
import { seededRandom } from "../kit/random.js";
import { TableEnvironment } from "./table_environment.js";
import { IdleSweep, sessionsOf, statisticsOf, walk } from "./walk.js";

const identity = { transport: 1, connection: 2, id: new Uint32Array([3, 4, 5, 6]) };

describe("the session table", () => {
  it("takes a session from free through opening, open, closing and closed to free, and no other way", () => {
    const owner = TableEnvironment.create(4);
    const { table, claim } = owner;
    const other = owner.join();
    const handle = table.allocate(claim);
    assert.equal(table.lookup(handle), SlotState.opening);
    assert.equal(table.touch(handle, 1), false);
    assert.equal(table.finishClose(handle, claim), false);
    assert.equal(table.release(handle, claim), false);
    assert.equal(table.identity(handle), undefined);

    assert.equal(table.open(handle, identity, 1), true);
    assert.equal(table.open(handle, identity, 1), false);
    assert.equal(table.lookup(handle), SlotState.open);
    assert.deepEqual(table.identity(handle), identity);
    assert.equal(table.release(handle, claim), false);

    assert.equal(table.startClose(handle), true);
    assert.equal(table.startClose(handle), false);
    assert.equal(other.table.finishClose(handle, other.claim), false, "another environment's");
    assert.equal(table.finishClose(handle, claim), true);
    assert.equal(table.touch(handle, 1), false);
    assert.equal(other.table.release(handle, other.claim), false, "another environment's");
    assert.equal(table.release(handle, claim), true);
    assert.equal(table.release(handle, claim), false);
    assert.equal(table.lookup(handle), undefined);
  });

  it("refuses with a typed error when it is full, and takes sessions again when one is released", () => {
    const { table, claim } = TableEnvironment.create(3);
    const handles = [0, 1, 2].map(() => table.allocate(claim));
    assert.throws(() => table.allocate(claim), SessionTableFullError);
    const gone = handles[1]!;
    assert.ok(table.startClose(gone) && table.finishClose(gone, claim) && table.release(gone, claim));
    const next = table.allocate(claim);
    assert.notEqual(next, gone);
    assert.equal(table.lookup(gone), undefined, "a stale handle names nobody");
    assert.throws(() => table.allocate(claim), SessionTableFullError);
  });

  it("lets a slot rest as long as there are others", () => {
    const { table, claim } = TableEnvironment.create(8);
    const slots = Array.from({ length: 8 }, () => {
      const handle = table.allocate(claim);
      assert.ok(table.startClose(handle) && table.finishClose(handle, claim) && table.release(handle, claim));
      return handle % 2 ** 20;
    });
    assert.equal(new Set(slots).size, 8);
  });

  it("gives an environment a slot that it let go of while it is warm, but none before 512 others", () => {
    const slots = TABLE_MAX_SLOTS / 16;
    const { table, claim } = TableEnvironment.create(slots);
    const last = new Map<number, number>();
    const apart: number[] = [];
    for (let count = 0; count < 10_000; count += 1) {
      const handle = table.allocate(claim);
      const slot = slotOf(handle);
      if (last.has(slot)) apart.push(count - last.get(slot)!);
      last.set(slot, count);
      assert.ok(table.end(handle, claim));
    }
    assert.ok(Math.min(...apart) >= 512, `a slot was in use again after ${Math.min(...apart)}`);
    assert.ok(last.size < 1_024, `${last.size} slots are in use in turn`);
  });

  it("refuses nobody while slots are free that another environment let go of", () => {
    const slots = 4096;
    const first = TableEnvironment.create(slots);
    const { table, claim } = first;
    const other = first.join();
    const handles = Array.from({ length: slots }, () => table.allocate(claim));
    assert.equal(other.table.tryAllocate(other.claim), undefined);
    for (const handle of handles) assert.ok(table.end(handle, claim));
    const others = Array.from({ length: slots }, () => other.table.allocate(other.claim));
    assert.equal(new Set(others.map(slotOf)).size, slots);
    assert.throws(() => table.allocate(claim), SessionTableFullError);
    for (const handle of others.slice(0, 3)) assert.ok(other.table.end(handle, other.claim));
    assert.deepEqual(
      new Set([1, 2, 3].map(() => slotOf(table.allocate(claim)))),
      new Set(others.slice(0, 3).map(slotOf)),
    );
    assert.throws(() => table.allocate(claim), SessionTableFullError);
    assert.deepEqual(table.faults(), { damaged: 0, quarantined: 0, recovered: 0 });
  });

  it("keeps a session's numbers, which anyone may read, and answers nothing for a stale handle", () => {
    const owner = TableEnvironment.create(4);
    const { table, claim } = owner;
    const reader = owner.join().table;
    const handle = table.allocate(claim);
    table.open(handle, identity, 1);
    for (const [index, number] of Object.values(SessionNumber).entries()) {
      assert.ok(table.set(handle, number, 2 ** 31 + index));
      assert.ok(table.add(handle, number, 1));
      assert.equal(reader.get(handle, number), 2 ** 31 + index + 1);
    }
    assert.deepEqual(reader.identity(handle), identity, "numbers and identity do not overlap");
    assert.ok(table.startClose(handle) && table.finishClose(handle, claim) && table.release(handle, claim));
    assert.equal(reader.get(handle, SessionNumber.messages), undefined);
    assert.equal(table.set(handle, SessionNumber.messages, 1), false);
    assert.equal(table.get(table.allocate(claim), SessionNumber.messages), 0, "a new session begins at 0");
  });

  it("bears anything as a handle", () => {
    const { table, claim } = TableEnvironment.create(2);
    const handle = table.allocate(claim);
    table.open(handle, identity, 1);
    const wrong = [
      NaN,
      Infinity,
      -Infinity,
      -1,
      0,
      1,
      2 ** 53,
      handle + 2 ** 49,
      -handle,
      handle + 1,
      handle + 2 ** 20,
      1e300,
    ];
    for (const number of wrong as SessionHandle[]) {
      assert.equal(table.lookup(number), undefined, `${number}`);
      assert.equal(table.touch(number, 1), false, `${number}`);
      assert.equal(table.release(number, claim), false, `${number}`);
    }
  });

  it("is made of memory of the right size only", () => {
    for (const slots of [0, 1, -1, 1.5, NaN, TABLE_MAX_SLOTS + 1]) {
      assert.throws(() => createTableMemory(slots), InvalidArgumentError);
    }
    const { directory } = TableEnvironment.create(4);
    for (const bytes of [0, 4096]) {
      const memory = new Int32Array(new SharedArrayBuffer(bytes));
      assert.throws(() => new SessionTable(memory, directory), InvalidArgumentError);
    }
    const larger = new Int32Array(new SharedArrayBuffer(8192));
    larger.set(createTableMemory(4));
    assert.throws(() => new SessionTable(larger, directory), InvalidArgumentError);
  });
});

describe("a walk through the session table", () => {
  it("visits every session that stays exactly once, whatever comes and goes", () => {
    const { table, claim } = TableEnvironment.create(64);
    const random = seededRandom(7);
    const staying = new Set(Array.from({ length: 20 }, () => table.allocate(claim)));
    const seen: SessionHandle[] = [];
    let cursor = 0;
    do {
      cursor = walk(table, cursor, 5, (handle) => seen.push(handle));
      const passing = table.allocate(claim);
      if (random(2) === 0) {
        assert.ok(
          table.startClose(passing) && table.finishClose(passing, claim) && table.release(passing, claim),
        );
      }
    } while (cursor !== 0);
    const stayed = seen.filter((handle) => staying.has(handle));
    assert.deepEqual(new Set(stayed), staying);
    assert.equal(stayed.length, staying.size);
    assert.equal(new Set(seen).size, seen.length);
  });

  it("adds up what the sessions are and have", () => {
    const { table, claim } = TableEnvironment.create(8);
    const handles = [1, 2, 3].map(() => table.allocate(claim));
    for (const handle of handles.slice(1)) {
      table.open(handle, identity, 1);
      table.add(handle, SessionNumber.queuedBytes, 100);
      table.add(handle, SessionNumber.messages, 3);
    }
    assert.ok(table.startClose(handles[2]!));
    assert.deepEqual(statisticsOf(table), {
      ...{ slots: 8, free: 5, opening: 1, open: 1, closing: 1, closed: 0, quarantined: 0, unreadable: 0 },
      ...{ queuedBytes: 200, messages: 6 },
    });
    assert.deepEqual([...sessionsOf(table)], handles);
  });
});

describe("the idle sweep", () => {
  it("finds its own open sessions without traffic, a slice of the table at a time, past the end of the clock", () => {
    const own = TableEnvironment.create(64);
    const { table, claim } = own;
    const other = own.join();
    const late = 2 ** 32 - 10; // ticks run over while the sessions live
    const [idle, busy, foreign, opening] = [own, own, other, own].map((who) => who.table.allocate(who.claim));
    for (const handle of [idle!, busy!, foreign!]) table.open(handle, identity, late);
    table.touch(busy!, 15);
    const sweep = new IdleSweep(table, { claim, idleTicks: 20, budgetSlots: 10 });
    const found: [SessionHandle, number][] = [];
    let calls = 1;
    while (!sweep.step(20, (handle, idleTicks) => found.push([handle, idleTicks]))) calls += 1;
    assert.equal(calls, 7, "64 slots, ten a call");
    assert.deepEqual(found, [[idle, 30]]);
    assert.equal(table.lookup(opening!), SlotState.opening);
  });
});

describe("recovery", () => {
  it("takes back what a dead environment had, slice by slice, and no more than that", () => {
    const survivor = TableEnvironment.create(16);
    const { table, claim, directory } = survivor;
    const dying = survivor.join();
    const mine = table.allocate(claim);
    const theirs = [1, 2, 3].map(() => dying.table.allocate(dying.claim));
    table.open(theirs[0]!, identity, 1);
    table.startClose(theirs[0]!);
    dying.leave();

    const recovery = new Recovery(table, claim, directory);
    let slices = 0;
    while (!recovery.step(4)) slices += 1;
    assert.equal(slices, 4);
    for (const handle of theirs) assert.equal(table.lookup(handle), undefined);
    assert.equal(table.lookup(mine), SlotState.opening);
    assert.equal(table.faults().recovered, 3);
    const rest = Array.from({ length: 15 }, () => table.allocate(claim));
    assert.equal(new Set([mine, ...rest].map((handle) => handle % 2 ** 20)).size, 16);
    assert.throws(() => table.allocate(claim), SessionTableFullError);
  });

  it("fills the ring of free slots anew when it is damaged, and no allocation is refused meanwhile", () => {
    const { table, claim, directory } = TableEnvironment.create(8);
    const words = table.memory;
    words[TABLE_HEAD_OFFSET >> 2]! += 12345;
    const first = table.allocate(claim);
    assert.ok(table.faults().damaged > 0);
    const recovery = new Recovery(table, claim, directory);
    while (!recovery.step(2));
    const damaged = table.faults().damaged;
    const rest = Array.from({ length: 7 }, () => table.allocate(claim));
    assert.equal(new Set([first, ...rest]).size, 8);
    assert.throws(() => table.allocate(claim), SessionTableFullError);
    assert.equal(table.faults().damaged, damaged);
  });
});
