import type { ShutdownOptions } from "../shutdown.js";
import type { WorkersOptions } from "../workers/options.js";
import type { WorkerInfo } from "../workers/worker_group.js";
import type { WorkerState } from "../workers/worker_slot.js";

/** How a server is run in several processes. Of `WorkersOptions`, `maxSessions` and the rest are of each. */
export interface ProcessesOptions extends Omit<WorkersOptions, "workers"> {
  /** What the module finds as `workerData` of `node:worker_threads`: what `node:v8` can serialize, so no shared memory. */
  readonly workerData?: unknown;
  /** How many processes, 1..256; `"auto"`, the default, is as many as the machine runs threads at once. */
  readonly processes?: number | "auto" | undefined;
  /** How many threads each has, 1..63, or `"auto"`; 1 by default. */
  readonly workers?: number | "auto" | undefined;
  /**
   * By which name or address clients reach this machine, for those that are sent on from one process to another; by
   * default the host of `listen`, or, where that is all addresses, the one that the client came to.
   */
  readonly host?: string | undefined;
  /** Whether SIGTERM and SIGINT close the group gracefully before they end this process; true by default. */
  readonly handleSignals?: boolean | undefined;
}

/** One of a group's processes, or its successor. */
export interface ProcessInfo {
  /** From 1 on: its number in resume tokens. A successor has the same. */
  readonly node: number;
  /** Undefined where none runs. */
  readonly pid: number | undefined;
  readonly state: WorkerState;
  /** How often it was begun anew. */
  readonly restarts: number;
  /** Where it listens: a port of `listen` that is not 0 is counted up from one process to the next. */
  readonly urls: readonly string[];
}

/**
 * What a group tells of its processes, and of the threads in them. Where a handler of what has ended, or ends again and
 * again, is missing, a process warning says so.
 */
export interface ProcessesBehaviour {
  /** A process has ended unasked: its sessions are gone. @param cause how; undefined where it ended with code 0 */
  processExit?(process: ProcessInfo, cause: unknown): void;
  /** Another has taken its place, and listens where it did. */
  processRestart?(process: ProcessInfo): void;
  /** One has ended right after its beginning again and again: the next is begun after `retryMs`. */
  processFailing?(process: ProcessInfo, cause: unknown, retryMs: number): void;
  /**
   * A thread of a process has ended unasked, as by what the application throws: its sessions are gone, and the process
   * goes on.
   * @param cause what it threw: of an error `name`, `message`, `stack` and `code`, and of all else how it looks, as text;
   *   undefined where it just ended
   */
  workerExit?(process: ProcessInfo, worker: WorkerInfo, cause: unknown): void;
  /** Another has taken its place, in the same process, and listens. */
  workerRestart?(process: ProcessInfo, worker: WorkerInfo): void;
  /** A thread has ended right after its beginning again and again: the next is begun after `retryMs`. */
  workerFailing?(process: ProcessInfo, worker: WorkerInfo, cause: unknown, retryMs: number): void;
}

/**
 * One application in several processes, each a server by itself: they share nothing but the secret of resume tokens, by
 * which a client that comes to another process than its session's is sent there.
 */
export interface ProcessGroup extends AsyncDisposable {
  readonly processes: readonly ProcessInfo[];
  /** The URLs of all processes, those of the first one first. */
  readonly urls: readonly string[];
  /**
   * Closes every process's servers, as `Server.close` does, all at once; then they end. One that has not ended three
   * seconds after the deadline is killed.
   */
  close(options?: ShutdownOptions): Promise<void>;
}
