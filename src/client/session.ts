import type { Acknowledgement } from "../delivery/acknowledgement.js";
import type {
  Answered,
  EventMap,
  RequestArguments,
  RequestSubject,
  SendArguments,
} from "../delivery/event_map.js";
import type { Reply } from "../delivery/failure.js";
import type { RequestOptions, SendAckedOptions, SendOptions } from "../delivery/send_options.js";
import type { CloseInfo, CloseOptions } from "../transport/close.js";
import type { SendResult } from "../transport/connection.js";
import type { SubscribeFrom, Subscription } from "./subscription.js";

/**
 * A session as its client has it: open while a connection carries it, detached when that is lost, and open again after
 * {@link resume}, with nothing lost and nothing twice.
 * @typeParam Events what messages and requests carry: see {@link EventMap}
 */
export interface ClientSession<Events = unknown> extends AsyncDisposable {
  /** 32 hexadecimal digits, minted by the server. */
  readonly id: string;
  /** The client id in force; undefined where there is none. */
  readonly clientId: string | undefined;
  /** `detached`: it has lost its connection, and keeps what is sent. `closed`: it is over. */
  readonly state: "open" | "detached" | "closed";
  /** The transport that carries it; undefined while it is detached. */
  readonly transport: string | undefined;
  /** Bytes accepted by `send` that have not left yet. */
  readonly bytesQueued: number;
  /** Resolves when the session is over, however it came; never rejects. */
  readonly closed: Promise<CloseInfo>;

  /**
   * Queues a message without blocking. While the session is detached it is kept.
   * @param message bytes, copied; or text, sent as UTF-8; and {@link SendOptions}.
   * @returns `sent`; `blocked`: accepted, now wait for `drain`; `dropped`: not accepted.
   * @throws FrameTooLargeError, SessionClosedError, InvalidArgumentError
   */
  send(...message: SendArguments<Events>): SendResult;

  /**
   * Sends a message, and waits until it has come as far as `options.level` says, over however many connections.
   * @returns what became of it. `timeoutMs` is `requestTimeoutMs` by default.
   * @throws ResourceExhaustedError where as many are waited for as may be (`maxAwaitedAcks`)
   * @throws AbortedError, FrameTooLargeError, SessionClosedError; InvalidArgumentError, also for a class of delivery that
   *   nobody acknowledges
   */
  sendAcked(...message: SendArguments<Events, SendAckedOptions>): Promise<Acknowledgement>;

  /**
   * Asks the server.
   * @param asked bytes, text, or nothing; and {@link RequestOptions}.
   * @returns what became of it: success, failure or timeout.
   * @throws ResourceExhaustedError where too many wait, or the queue is full; AbortedError, SessionClosedError
   */
  request<Subject extends RequestSubject<Events>>(
    subject: Subject,
    ...asked: RequestArguments<Events, Subject>
  ): Promise<Reply<Answered<Events, Subject>>>;

  /**
   * Subscribes to a topic, or to all that match a pattern; what is published comes to the behaviour's `publication`.
   * @throws RequestFailure where the server refuses; InvalidArgumentError, TimeoutError, SessionClosedError
   */
  subscribe(pattern: string, options?: { readonly from?: SubscribeFrom }): Promise<Subscription>;
  /** Ends a subscription. @throws RequestFailure, TimeoutError, SessionClosedError */
  unsubscribe(pattern: string): Promise<void>;
  /** Publishes to a topic, where the server lets this client. @throws RequestFailure, TimeoutError, SessionClosedError */
  publish(topic: string, message: Uint8Array | string): Promise<void>;

  /**
   * Goes on over a new connection, which may be of another transport; the one before, if it is there still, is left.
   * @returns true where the session went on; false where the server had lost it, and has begun a new one: what the server
   *   had not acknowledged is lost, and what comes begins anew.
   * @throws as `connectSession`; the session is then as it was.
   */
  resume(url: string): Promise<boolean>;
  /** Cuts the connection off, as a network would; the session is detached, and can be resumed. */
  abandon(): void;
  /** Ends the session, for the server too. @returns how the connection ended, which may be by the server, who was first. */
  close(options?: CloseOptions): Promise<CloseInfo>;
}
