/**
 * The ring of free slots by itself: so many threads that take a slot and put it back. Prints one line of JSON.
 * Arguments: threads, rounds of each, slots. bench/native/free_ring.cc does the same in C++.
 */
import { isMainThread, Worker, workerData } from "node:worker_threads";
import { FreeRing } from "#internal/session/free_ring.js";
import { wordOf } from "#internal/session/slot_words.js";
import { cellCountOf, type TableMemory } from "#internal/session/table_layout.js";
import { createTableMemory } from "#internal/session/table_memory.js";

interface Task {
  readonly table: TableMemory;
  /** How many threads are ready, and how many have ended. */
  readonly gate: SharedArrayBuffer;
  readonly threads: number;
  readonly rounds: number;
  readonly slots: number;
}

const warmUpRounds = 100_000;

function run({ table, gate, threads, rounds, slots }: Task): number {
  const freeRing = new FreeRing(table, wordOf(slots), cellCountOf(slots), slots);
  const work = (count: number): void => {
    for (let round = 0; round < count; round += 1) {
      const slot = freeRing.take();
      if (slot < 0 || !freeRing.put(slot)) throw new Error("the ring has lost a slot");
    }
  };
  work(warmUpRounds);
  const counts = new Int32Array(gate);
  Atomics.add(counts, 0, 1);
  while (Atomics.load(counts, 0) < threads);
  const begun = performance.now();
  work(rounds);
  Atomics.add(counts, 1, 1);
  while (Atomics.load(counts, 1) < threads);
  return performance.now() - begun;
}

if (isMainThread) {
  const [threads, rounds, slots] = process.argv.slice(2).map(Number) as [number, number, number];
  const task: Task = {
    table: createTableMemory(slots),
    gate: new SharedArrayBuffer(8),
    threads,
    rounds,
    slots,
  };
  for (let thread = 1; thread < threads; thread += 1) {
    new Worker(new URL(import.meta.url), { workerData: task });
  }
  const elapsedMs = run(task);
  console.log(JSON.stringify({ operationsPerSecond: (2 * threads * rounds * 1000) / elapsedMs }));
} else {
  run(workerData as Task);
}
