import type { Answered, RequestArguments, RequestSubject, SendArguments } from "../delivery/event_map.js";
import type { Reply } from "../delivery/failure.js";
import type { SubscribeFrom, TopicsStatistics } from "../topic/topics.js";
import type { SocketAddress } from "../transport/address.js";
import type { CloseOptions } from "../transport/close.js";
import type { SendResult } from "../transport/connection.js";
import type { ServerCounters } from "./core.js";
import type { PublishResult } from "./publish_result.js";
import type { ReloadOptions } from "./reload.js";
import type { SubscribeResult } from "./server_topics.js";
import type { Session } from "./session.js";
import type { ShutdownOptions } from "./shutdown.js";
import type { ListFilter, SessionList } from "./threads/listing.js";

/** Whom something is for: a session, the id of one, or all sessions of a client id. */
export type Target<Data, Events = unknown> = Session<Data, Events> | string | { readonly clientId: string };

/** Which sessions are wanted. */
export interface SessionFilter<Data, Events = unknown> {
  /** 0, or what the last call returned. */
  readonly cursor?: number | undefined;
  /** How many slots of the table are looked at, 1..1,048,576; 1,000 by default. */
  readonly budget?: number | undefined;
  readonly clientId?: string | undefined;
  readonly transport?: string | undefined;
  /** Any other condition. */
  readonly where?: ((session: Session<Data, Events>) => boolean) | undefined;
}

/** Some of the sessions, and where to go on. */
export interface SessionPage<Data, Events = unknown> {
  readonly sessions: readonly Session<Data, Events>[];
  /** For the next call; 0 when this was the last of a round. */
  readonly cursor: number;
}

/** One application over every transport that it listens on. */
export interface Server<Data = unknown, Events = unknown> extends AsyncDisposable {
  /** What was bound, in the order of `options.listen`. */
  readonly addresses: readonly SocketAddress[];
  /** The URLs for clients, with the ports that were bound. */
  readonly urls: readonly string[];
  /** Sessions that are open or detached. */
  readonly sessionCount: number;
  /** Connections that this thread has accepted, those that have not begun a session among them. */
  readonly connectionCount: number;
  /** Requests of this server that wait for answers. */
  readonly pendingRequests: number;
  /** What this thread's sessions hold that cannot go on now: see `limits.queueBytes`. */
  readonly bytesHeld: number;
  readonly counters: Readonly<ServerCounters>;

  /** The session of an id; undefined where there is none. */
  session(id: string): Session<Data, Events> | undefined;
  /** The sessions of a client id, the oldest first. */
  sessionsOf(clientId: string): readonly Session<Data, Events>[];
  /**
   * Sessions of this thread a page at a time: one that lasts for a whole round is in exactly one page.
   * @throws InvalidArgumentError
   */
  sessions(filter?: SessionFilter<Data, Events>): SessionPage<Data, Events>;
  /**
   * Figures of the sessions of all threads, a page at a time. (Those of other threads are nowhere else: `session`,
   * `sessionsOf`, `sessions` and the iteration are of this thread.)
   * @throws InvalidArgumentError, AbortedError; TimeoutError where a thread does not answer in time (5,000 ms by default)
   */
  list(filter?: ListFilter): Promise<SessionList>;
  /** Every session of this thread; they may come and go meanwhile. */
  [Symbol.iterator](): Iterator<Session<Data, Events>>;

  /**
   * Sends a message to a session of any thread, or to all of a client id.
   * @returns as `Session.send`, of several the worst; `gone` where there is none. Of a session of another thread it is
   *   what the way there says: `blocked` is nearly full, `dropped` has no room now; what the session itself does with the
   *   message is not told.
   * @throws FrameTooLargeError above the limit, or above what goes to another thread (`inboxBytes`); InvalidArgumentError
   */
  sendTo(target: Target<Data, Events>, ...message: SendArguments<Events>): SendResult | "gone";
  /**
   * Asks a session of any thread, of several the newest, this thread's first.
   * @returns a failure with `FailureCode.lost` where there is none, or its thread ends.
   */
  request<Subject extends RequestSubject<Events>>(
    target: Target<Data, Events>,
    subject: Subject,
    ...asked: RequestArguments<Events, Subject>
  ): Promise<Reply<Answered<Events, Subject>>>;
  /** Sends a message to every session of all threads. @returns how many it was handed to: of other threads, how many they have. */
  broadcast(...message: SendArguments<Events>): number;

  /**
   * Sends a message to the sessions that subscribe to its topic, or to a pattern that matches it: the same bytes to all.
   * One that can take no more misses it, and is told where the topic is when it can. Of several threads, the topic's home
   * numbers it: where that is another than this, the result says so, and its `outcome` what comes of it.
   * @throws InvalidArgumentError, TopicLimitError; ListenerClosedError once the server is closed
   */
  publish(topic: string, message: Uint8Array | string, options?: { readonly type?: number }): PublishResult;
  /**
   * Subscribes a session of this thread, without it having asked. Where another thread has to be asked where the topic is,
   * the result's `outcome` says when it is subscribed.
   * @throws InvalidArgumentError, SubscriptionLimitError, TopicLimitError, SessionClosedError
   */
  subscribe(
    session: Session<Data, Events>,
    pattern: string,
    options?: { readonly from?: SubscribeFrom },
  ): SubscribeResult;
  /** @returns false where it was not subscribed to that. */
  unsubscribe(session: Session<Data, Events>, pattern: string): boolean;
  /** What a session subscribes to. */
  subscriptionsOf(session: Session<Data, Events>): readonly string[];
  /** Of this thread's topics and sessions. */
  readonly topicStatistics: TopicsStatistics;

  /** Ends a session of any thread. False where there is none. */
  closeSession(id: string, options?: CloseOptions): boolean;
  /**
   * Ends all sessions of a client id, with `CloseCode.unauthenticated`: they cannot be taken up again.
   * @returns how many, as far as this thread knows: where `sameClient` is `allow`, of those in other threads one counts.
   */
  revoke(clientId: string, reason?: string): number;
  /**
   * Asks of every session of this thread whether it may go on, and ends those that may not, a part of them at a time.
   * @param mayStay where it throws, the session ends, too, by `CloseCode.internal`: its client comes again, and is asked
   *   who it is. `error` is told; without one it is an uncaught exception.
   * @returns how many ended.
   */
  reauthorise(mayStay: (session: Session<Data, Events>) => boolean | PromiseLike<boolean>): Promise<number>;

  /**
   * Goes on by other options, for what is there already, too. What is too many stays. Handshakes use the new certificate;
   * open connections keep theirs.
   * @throws InvalidArgumentError, and what is wrong with `tls`; then all is as it was. ListenerClosedError once the server
   *   is closed
   */
  reload(options: ReloadOptions): Promise<void>;

  /** Stops accepting, tells clients, finishes what is in flight, and ends. Idempotent. */
  close(options?: ShutdownOptions): Promise<void>;
}
