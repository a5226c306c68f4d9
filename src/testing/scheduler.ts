import { performance } from "node:perf_hooks";

/** Time, as a {@link Link} sees it: a test puts its own in place. */
export interface Scheduler {
  /** Milliseconds since some fixed moment; never goes back. */
  now(): number;
  /**
   * Calls `task` once, at `atMs` or a little later.
   * @returns what takes the call back.
   */
  at(atMs: number, task: () => void): () => void;
}

/** The event loop's own time. */
export const realTime: Scheduler = {
  now: () => performance.now(),
  at(atMs, task) {
    const timer = setTimeout(task, Math.max(0, atMs - performance.now()));
    return () => clearTimeout(timer);
  },
};
