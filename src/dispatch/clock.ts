/** Time as the dispatcher sees it; tests bring one that stands still. */
export interface Clock {
  /** Milliseconds since some moment; never goes back. */
  now(): number;
  /** Calls `task` when it is `atMs`. @returns cancels that. */
  at(atMs: number, task: () => void): () => void;
}

const maxTimerMs = 0x7fff_ffff;

/** The clock of this thread. Its timers do not keep the process alive. */
export const systemClock: Clock = {
  now: () => performance.now(),
  at(atMs, task) {
    const delayMs = Math.min(maxTimerMs, Math.max(1, Math.ceil(atMs - performance.now())));
    const timer = setTimeout(task, delayMs).unref();
    return () => clearTimeout(timer);
  },
};
