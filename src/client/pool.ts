import type { Acknowledgement } from "../delivery/acknowledgement.js";
import type { Answered, RequestArguments, RequestSubject, SendArguments } from "../delivery/event_map.js";
import type { Reply } from "../delivery/failure.js";
import type {
  ClientRequestOptions,
  ClientSendAckedOptions,
  ClientSendOptions,
} from "../delivery/send_options.js";
import { readOptions } from "../options/read.js";
import { integer, object, withDefault } from "../options/schema.js";
import type { SendResult } from "../transport/connection.js";
import type { ClientOptions } from "./options.js";
import type { ClientSession } from "./session.js";

/** How many sessions a pool has, and how it sees that they live. */
export interface PoolOptions extends ClientOptions {
  /** How many sessions it keeps, each on a connection of its own, 1..1,024; 4 by default. */
  readonly size?: number | undefined;
  /** How often each session is asked for a sign of life, 10..3,600,000; 10,000 by default. */
  readonly healthCheckMs?: number | undefined;
  /** One that gives none for so long is replaced, 10..3,600,000; 5,000 by default. */
  readonly healthTimeoutMs?: number | undefined;
}

/** What is a pool's own of its options. */
export const poolOptions = object({
  size: withDefault(integer(1, 1_024), 4),
  healthCheckMs: withDefault(integer(10, 3_600_000), 10_000),
  healthTimeoutMs: withDefault(integer(10, 3_600_000), 5_000),
});

export type ReadPoolOptions = ReturnType<typeof readPoolOptions>["pool"];

/** @returns a pool's own options, and those of its sessions. @throws InvalidArgumentError */
export function readPoolOptions({ size, healthCheckMs, healthTimeoutMs, ...sessions }: PoolOptions) {
  return { pool: readOptions(poolOptions, { size, healthCheckMs, healthTimeoutMs }), sessions };
}

/** One session of a pool, as it is now. */
export interface PoolMember<Events = unknown> {
  readonly session: ClientSession<Events>;
  /** Requests, and messages to be acknowledged, that wait, and leases that are held. */
  readonly load: number;
  /** Whether it is connected, and has given its last sign of life in time. */
  readonly isWell: boolean;
}

/** A place on one session of a pool, for what belongs together: what is sent by it stays in order. */
export interface Lease<Events = unknown> {
  /**
   * The session. It is the same one as long as that lives; then another, which knows nothing of what went by the one before.
   * @throws SessionClosedError where the pool is closed, ConnectionLostError while it has no session
   */
  readonly session: ClientSession<Events>;
  /** Gives the place back. Idempotent. */
  release(): void;
}

/**
 * A few sessions for many requests: each goes to the one with the least to do. A session that gives no sign of life, or is
 * over, is replaced; what waits in one that is replaced is waited for.
 */
export interface Pool<Events = unknown> extends AsyncDisposable {
  /** The sessions that there are now; while one is replaced, fewer than `size`. */
  readonly members: readonly PoolMember<Events>[];
  /** Sessions that have taken the place of another. */
  readonly replaced: number;

  /** As `ClientSession.request`. @throws ConnectionLostError while the pool has no session */
  request<Subject extends RequestSubject<Events>>(
    subject: Subject,
    ...asked: RequestArguments<Events, Subject, ClientRequestOptions>
  ): Promise<Reply<Answered<Events, Subject>>>;
  /** As `ClientSession.send`. Two messages may go by two sessions: {@link lease} keeps them in order. */
  send(...message: SendArguments<Events, ClientSendOptions>): SendResult;
  /** As `ClientSession.sendAcked`. */
  sendAcked(...message: SendArguments<Events, ClientSendAckedOptions>): Promise<Acknowledgement>;
  /** Takes a place on the session with the least to do. */
  lease(): Lease<Events>;
  /** Ends all sessions, for the server too. Idempotent. */
  close(): Promise<void>;
}
