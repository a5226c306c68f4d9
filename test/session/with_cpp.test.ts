import assert from "node:assert/strict";
import { once } from "node:events";
import { describe, it } from "node:test";
import { Worker } from "node:worker_threads";
import { Audit } from "#internal/session/audit.js";
import type { Claim } from "#internal/session/claim.js";
import { Recovery } from "#internal/session/recovery.js";
import { SessionTable } from "#internal/session/table.js";
import { createTableMemory } from "#internal/session/table_memory.js";
import { until } from "../kit/until.js";
import { CppChurn } from "./cpp_churn.js";
import { cppThreads, SharedDirectory } from "./cpp_threads.js";
import type { CppWorkerTask } from "./cpp_worker.js";

interface Report {
  readonly failures: readonly string[];
  readonly sessions: number;
  readonly claim: Claim;
}

const slots = 64;
const sessionsEach = 50_000;

async function start(task: CppWorkerTask): Promise<Worker> {
  const worker = new Worker(new URL("./cpp_worker.js", import.meta.url), { workerData: task });
  await once(worker, "message");
  return worker;
}

describe("a session table", () => {
  it("is one for the main thread, for workers and for C++ at the same time", async () => {
    const memory = createTableMemory(slots);
    const holders = new Int32Array(new SharedArrayBuffer((slots + 1) * 4));
    cppThreads.create(slots, 6);
    const directory = new SharedDirectory();
    const table = new SessionTable(memory, directory);
    const task = { memory, holders: holders.buffer };
    const workers = await Promise.all([1, 2].map((seed) => start({ ...task, seed })));
    const reports = Promise.all(workers.map(async (worker) => (await once(worker, "message"))[0] as Report));
    const main = new CppChurn(memory, holders, 3);
    assert.ok(cppThreads.start(memory, holders, 2), "C++ does not know the table");

    await until(
      "all have had many sessions",
      () => {
        for (let step = 0; step < 2_000; step += 1) main.step();
        return main.sessions > sessionsEach && cppThreads.sessions() > sessionsEach;
      },
      60_000,
    );
    Atomics.store(holders, slots, 1);
    assert.equal(cppThreads.finish(), 0, "C++ saw what must not be");
    main.end();
    const all: readonly Report[] = [...(await reports), main];
    for (const { failures, sessions } of all) {
      assert.deepEqual(failures, []);
      assert.ok(sessions > 1_000);
    }

    assert.equal(directory.heldCount(), 0);
    const audit = new Audit(table, directory);
    for (let round = 0; round < 3; round += 1) audit.step(slots);
    assert.deepEqual(table.faults(), { damaged: 0, quarantined: 0, recovered: 0 });
    // What they kept for their next sessions is taken back, as of anybody who has gone.
    directory.left = all.map(({ claim }) => claim);
    const recovery = new Recovery(table, directory.claim, directory);
    while (!recovery.step(slots));
    assert.deepEqual(directory.left, []);
    const left = Array.from({ length: slots }, () => table.tryAllocate(directory.claim));
    assert.equal(new Set(left.map((handle) => handle! % 2 ** 20)).size, slots, "a slot was lost");
    assert.equal(table.tryAllocate(directory.claim), undefined);
  });
});
