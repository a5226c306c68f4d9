import type { WorkerSlot } from "./worker_slot.js";

/** How long the end of the process waits for threads. */
const patienceMs = 1_000;

/**
 * Ends threads when their process exits without having closed their group. Node.js would terminate them, and one that has
 * sockets of uWebSockets.js then takes the process down: see `closeAtExit` of websocket/uws.ts.
 * @returns ends the watch.
 */
export function endWithProcess(slots: readonly Pick<WorkerSlot, "endWithProcess">[]): () => void {
  const onExit = (): void => {
    const ended = new Int32Array(new SharedArrayBuffer(4));
    const count = slots.filter((slot) => slot.endWithProcess(ended)).length;
    const deadline = performance.now() + patienceMs;
    for (let seen = Atomics.load(ended, 0); seen < count; seen = Atomics.load(ended, 0)) {
      const left = deadline - performance.now();
      if (left <= 0 || Atomics.wait(ended, 0, seen, left) === "timed-out") return;
    }
  };
  process.once("exit", onExit);
  return () => process.off("exit", onExit);
}
