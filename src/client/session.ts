import type { Acknowledgement } from "../delivery/acknowledgement.js";
import type { CompressionFigures } from "../delivery/compression.js";
import type {
  Answered,
  EventMap,
  RequestArguments,
  RequestSubject,
  SendArguments,
} from "../delivery/event_map.js";
import type { Reply } from "../delivery/failure.js";
import type {
  ClientRequestOptions,
  ClientSendAckedOptions,
  ClientSendOptions,
} from "../delivery/send_options.js";
import type { CloseInfo, CloseOptions } from "../transport/close.js";
import type { SendResult } from "../transport/connection.js";
import type { WaitOptions } from "../transport/wait.js";
import type { ClientState } from "./carried.js";
import type { SessionStatistics } from "./session_statistics.js";
import type { SubscribeFrom, Subscription } from "./subscription.js";

/**
 * A session as its client has it. When its connection is lost it comes back over another one by itself, with nothing lost
 * and nothing twice.
 * @typeParam Events what messages and requests carry: see {@link EventMap}
 */
export interface ClientSession<Events = unknown> extends AsyncDisposable {
  /** 32 hexadecimal digits, minted by the server. */
  readonly id: string;
  /** The client id in force; undefined where there is none. */
  readonly clientId: string | undefined;
  /** See {@link ClientState}. Without a connection it keeps what is sent, unless it is over: see {@link closed}. */
  readonly state: ClientState;
  /** The transport that carries it; undefined while none does. */
  readonly transport: string | undefined;
  /** Bytes accepted by `send` that have not left yet. */
  readonly bytesQueued: number;
  /** The largest message that both sides take, in bytes; what is larger is for `sendLarge` of `millrace/large`. */
  readonly maxPayloadBytes: number;
  /** What compression has done; undefined where the two sides have never agreed on one. */
  readonly compression: CompressionFigures | undefined;
  /** Resolves when the session is over, however it came; never rejects. */
  readonly closed: Promise<CloseInfo>;

  /**
   * Queues a message without blocking. While there is no connection it is kept.
   * @param message bytes, copied; or text, sent as UTF-8; and {@link ClientSendOptions}.
   * @returns `sent`; `blocked`: accepted, now wait for `drain`; `dropped`: not accepted.
   * @throws FrameTooLargeError, SessionClosedError, InvalidArgumentError
   */
  send(...message: SendArguments<Events, ClientSendOptions>): SendResult;

  /**
   * Sends a message, and waits until it has come as far as `options.level` says, over however many connections.
   * @returns what became of it. `timeoutMs` is `requestTimeoutMs` by default.
   * @throws ResourceExhaustedError where as many are waited for as may be (`maxAwaitedAcks`)
   * @throws AbortedError, FrameTooLargeError, SessionClosedError; InvalidArgumentError, also for a class of delivery that
   *   nobody acknowledges
   */
  sendAcked(...message: SendArguments<Events, ClientSendAckedOptions>): Promise<Acknowledgement>;

  /**
   * Asks the server.
   * @param asked bytes, text, or nothing; and {@link ClientRequestOptions}.
   * @returns what became of it: success, failure or timeout.
   * @throws ResourceExhaustedError where too many wait, or the queue is full; AbortedError, SessionClosedError
   */
  request<Subject extends RequestSubject<Events>>(
    subject: Subject,
    ...asked: RequestArguments<Events, Subject, ClientRequestOptions>
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
   * Goes on over a new connection, at once; the one before, if it is there still, is left when the new one is ready.
   * @param where a URL; or a transport, such as `websocket`, of which one of the URLs given to `connect` is.
   * @returns true where the session went on; false where the server had lost it, and has begun a new one: what the server
   *   had not acknowledged is lost, and what comes begins anew.
   * @throws as `connect`; the session is then as it was.
   */
  switchTo(where: string): Promise<boolean>;
  /**
   * Asks the server for a sign of life; while there is no connection, as soon as there is one.
   * @param options how long it is waited for: `requestTimeoutMs` by default.
   * @returns how long the answer took, in milliseconds.
   * @throws TimeoutError, AbortedError; SessionClosedError where the session is over, or ends meanwhile
   */
  ping(options?: WaitOptions): Promise<number>;
  /**
   * What the session has done, and over which transports; also when it is over.
   * @throws in a page, what loading the code for it has failed of
   */
  statistics(): Promise<SessionStatistics>;
  /** Cuts the connection off, as a network would; the session comes back, unless `reconnect` is false. */
  abandon(): void;
  /** Ends the session, for the server too. @returns how the connection ended, which may be by the server, who was first. */
  close(options?: CloseOptions): Promise<CloseInfo>;
}
