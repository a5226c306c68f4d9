import type { Reply } from "../../delivery/failure.js";
import type { RequestOptions, SendOptions } from "../../delivery/send_options.js";
import type { CloseOptions } from "../../transport/close.js";
import type { SendResult } from "../../transport/connection.js";
import type { PublishResult } from "../publish_result.js";
import type { ShutdownOptions } from "../shutdown.js";
import type { ListFilter, SessionList } from "../threads/listing.js";
import type { WorkerState } from "./worker_slot.js";

/** One of a group's threads, or its successor. */
export interface WorkerInfo {
  /** From 1 on; the successor of a thread that ended has the same. */
  readonly id: number;
  readonly state: WorkerState;
  /** How often it was begun anew. */
  readonly restarts: number;
}

/** What a group tells of its threads. What they throw goes to a process warning where `workerExit` is missing. */
export interface WorkersBehaviour {
  /** A thread has ended unasked. @param cause what it threw; undefined where it just ended. Its sessions are gone. */
  workerExit?(worker: WorkerInfo, cause: unknown): void;
  /** Another has taken its place, and listens. */
  workerRestart?(worker: WorkerInfo): void;
  /**
   * A thread has ended within 10 s of its beginning for the third time or more, one after the other: the next is begun
   * after `retryMs`. A process warning where it is missing.
   */
  workerFailing?(worker: WorkerInfo, cause: unknown, retryMs: number): void;
}

/** Whom something is for: the id of a session, or the sessions of a client id. */
export type GroupTarget = string | { readonly clientId: string };

/**
 * One server in several threads, as the thread sees it that began them. It has no sessions of its own, and reaches those
 * of all threads as a {@link Server} does.
 */
export interface WorkerGroup extends AsyncDisposable {
  /** The URLs for clients: of the first worker, and all others accept there, too, where threads can share a port. */
  readonly urls: readonly string[];
  /** Sessions of all threads that are open or detached. */
  readonly sessionCount: number;
  readonly workers: readonly WorkerInfo[];
  /** As `Server.sendTo`. @throws InvalidArgumentError, FrameTooLargeError */
  sendTo(target: GroupTarget, message: Uint8Array | string, options?: SendOptions): SendResult | "gone";
  /** As `Server.request`. @throws ResourceExhaustedError, AbortedError, InvalidArgumentError, FrameTooLargeError */
  request(
    target: GroupTarget,
    subject: string,
    payload?: Uint8Array | string,
    options?: RequestOptions,
  ): Promise<Reply>;
  /** Sends a message to every session. @returns how many there are where it was handed to. */
  broadcast(message: Uint8Array | string, options?: SendOptions): number;
  /**
   * Publishes a message, as `Server.publish` does where another thread numbers the topic's messages: `posted`, and its
   * `outcome` says what comes of it, or `dropped`. No subscriber is in this thread, so `recipients` is 0.
   * @throws InvalidArgumentError, FrameTooLargeError; ListenerClosedError once the group is closed
   */
  publish(topic: string, message: Uint8Array | string, options?: { readonly type?: number }): PublishResult;
  /** Ends a session. False where there is none. */
  closeSession(id: string, options?: CloseOptions): boolean;
  /** Ends all sessions of a client id: they cannot be taken up again. @returns false where none is known by it. */
  revoke(clientId: string, reason?: string): boolean;
  /** Figures of sessions a page at a time. */
  list(filter?: ListFilter): Promise<SessionList>;
  /**
   * Closes every worker's server, as `Server.close` does, all at once; then their threads end. One that has not ended a
   * second after the deadline is terminated.
   */
  close(options?: ShutdownOptions): Promise<void>;
}
