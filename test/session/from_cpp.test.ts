import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createRing, RingReader } from "#internal/native/ring.js";
import { environmentOf } from "#internal/session/claim.js";
import { generationOf, handleOf, type SessionHandle, slotOf } from "#internal/session/handle.js";
import { SessionNumber, SessionTable } from "#internal/session/table.js";
import { createTableMemory } from "#internal/session/table_memory.js";
import { until } from "../kit/until.js";
import { cppThreads, SharedDirectory } from "./cpp_threads.js";
import { IdleSweep, statisticsOf, walk } from "./walk.js";

const identity = { transport: 1, connection: 2, id: new Uint32Array([3, 4, 5, 6]) };

function tableOf(slots: number) {
  cppThreads.create(slots, 4);
  const directory = new SharedDirectory();
  const memory = createTableMemory(slots);
  return { memory, directory, table: new SessionTable(memory, directory) };
}

describe("threads of C++", () => {
  it("reach a session of JavaScript by its inbox, in order, and wake it where it sleeps as it wakes them where they wait", async () => {
    const { table, directory } = tableOf(4);
    const handle = table.allocate(directory.claim);
    assert.ok(table.open(handle, identity, 1));
    const rings = Array.from({ length: 4 }, () => createRing(65_536));
    const reader = new RingReader(rings[environmentOf(directory.claim)]!);
    const count = 20_000;
    let received = 0;
    let sleeps = 0;
    let starved = 0;
    const receive = (): void => {
      do {
        for (; reader.next(); received += 1) {
          assert.equal(reader.kind, 7);
          assert.equal(handleOf(reader.slot, reader.generation), handle);
          assert.equal(reader.uint32(0), received);
        }
        reader.release();
        if (!reader.takeStarved()) continue;
        starved += 1;
        cppThreads.wake(reader.stream);
      } while (!reader.trySleep());
      sleeps += 1;
    };
    assert.ok(reader.trySleep());
    let seen = cppThreads.wakes();
    cppThreads.send(
      rings.map((ring) => new Int32Array(ring)),
      slotOf(handle),
      generationOf(handle),
      count,
    );
    await until("all have come", () => {
      // Only when it was woken: a wake that is lost is a test that does not end.
      const wakes = cppThreads.wakes();
      if (wakes !== seen) receive();
      seen = wakes;
      return received === count;
    });
    assert.equal(cppThreads.finish(), 0, "C++ saw what must not be");
    assert.ok(sleeps > 1 && starved > 1, `${sleeps} sleeps, ${starved} waits`);
  });

  it("come and go while JavaScript walks through the table, counts, and sweeps", async () => {
    const slots = 64;
    const { memory, directory, table } = tableOf(slots);
    const { claim } = directory;
    const staying = Array.from({ length: 16 }, () => table.allocate(claim));
    for (const handle of staying) assert.ok(table.open(handle, identity, 1));
    const holders = new Int32Array(new SharedArrayBuffer((slots + 1) * 4));
    assert.ok(cppThreads.start(memory, holders, 2), "C++ does not know the table");
    const sweep = new IdleSweep(table, { claim, idleTicks: 5, budgetSlots: 7 });
    let others = 0;
    const look = (): void => {
      const seen: SessionHandle[] = [];
      for (let cursor = walk(table, 0, 7, (handle) => seen.push(handle)); cursor !== 0; ) {
        cursor = walk(table, cursor, 7, (handle) => seen.push(handle));
      }
      assert.equal(new Set(seen).size, seen.length, "one is seen twice");
      const stayed = new Set(staying);
      assert.equal(seen.filter((handle) => stayed.has(handle)).length, staying.length);
      for (const handle of seen.filter((each) => !stayed.has(each))) {
        const queued = table.get(handle, SessionNumber.queuedBytes);
        // What C++ has written, or not yet, or no more.
        assert.ok(queued === undefined || queued === 0 || queued === 1_000 || queued === 1_001, `${queued}`);
        if (queued !== undefined && queued > 0) others += 1;
      }
      const { free, opening, open, closing, closed, quarantined, unreadable } = statisticsOf(table);
      assert.equal(free + opening + open + closing + closed, slots);
      assert.ok(open >= staying.length);
      assert.equal(quarantined + unreadable, 0);
      const idle: SessionHandle[] = [];
      while (!sweep.step(6, (handle) => idle.push(handle)));
      assert.deepEqual(new Set(idle), stayed, "its own, and no other's");
      assert.equal(idle.length, staying.length);
    };
    await until("there were many sessions", () => {
      for (let round = 0; round < 50; round += 1) look();
      return cppThreads.sessions() > 20_000 && others > 1_000;
    });
    assert.equal(cppThreads.finish(), 0, "C++ saw what must not be");
    assert.equal(directory.heldCount(), staying.length);
  });
});
