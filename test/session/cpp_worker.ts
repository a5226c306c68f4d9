/** A worker that works with a table beside C++ threads, until it is told to stop. */
import { parentPort, workerData } from "node:worker_threads";
import type { TableMemory } from "#internal/session/table_layout.js";
import { CppChurn } from "./cpp_churn.js";

export interface CppWorkerTask {
  readonly seed: number;
  readonly memory: TableMemory;
  /** A word for each slot, and one more, which tells everybody to stop. */
  readonly holders: SharedArrayBuffer;
}

const { seed, memory, holders } = workerData as CppWorkerTask;
const words = new Int32Array(holders);
const churn = new CppChurn(memory, words, seed);
parentPort!.postMessage("ready");

const turn = (): void => {
  for (let step = 0; step < 500; step += 1) churn.step();
  if (Atomics.load(words, words.length - 1) === 0) {
    setImmediate(turn);
    return;
  }
  churn.end();
  parentPort!.postMessage({ failures: churn.failures, sessions: churn.sessions, claim: churn.claim });
};
turn();
