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
import type { RequestOptions, SendAckedOptions, SendOptions } from "../delivery/send_options.js";
import type { SocketAddress } from "../transport/address.js";
import type { CloseOptions } from "../transport/close.js";
import type { SendResult } from "../transport/connection.js";

/**
 * - `open`: a connection carries it;
 * - `detached`: it has lost its connection, keeps what is sent, and waits to be taken up again;
 * - `closed`: it is over.
 */
export type SessionState = "open" | "detached" | "closed";

/** How a session ended. */
export interface SessionEnd {
  /**
   * - `local`, `peer`: that side closed it;
   * - `expired`: nobody took it up again within the resume window;
   * - `replaced`: its client id connected again;
   * - `shutdown`: the server ended.
   */
  readonly by: "local" | "peer" | "expired" | "replaced" | "shutdown";
  /** 0..999: see `CloseCode`. */
  readonly code: number;
  readonly reason: string;
}

/** The figures of a session. */
export interface SessionInfo {
  readonly id: string;
  readonly clientId: string | undefined;
  readonly state: SessionState;
  /** Undefined while it is detached. */
  readonly transport: string | undefined;
  readonly remoteAddress: SocketAddress | undefined;
  /** Milliseconds since the epoch, when the session began. */
  readonly connectedAt: number;
  /** Milliseconds since anything was heard of it, in steps of 50. */
  readonly idleMs: number;
  readonly roundTripMs: number | undefined;
  readonly messagesReceived: number;
  readonly bytesReceived: number;
  readonly messagesSent: number;
  readonly bytesSent: number;
  readonly heartbeats: number;
  /** Handlers that threw, for this session. */
  readonly errors: number;
  readonly bytesQueued: number;
  readonly bytesUnacknowledged: number;
  readonly requestsPending: number;
  /** How often it was taken up again. */
  readonly resumptions: number;
  /** What compression has done; undefined where the two sides have never agreed on one. */
  readonly compression: CompressionFigures | undefined;
}

/**
 * One client's identity at a server. It outlives connections: where one is lost, what was sent and not acknowledged is
 * kept, and sent over the next, which may be of another transport.
 * @typeParam Data what the application keeps with a session
 * @typeParam Events what messages and requests carry: see {@link EventMap}
 */
export interface Session<Data = unknown, Events = unknown> {
  /** 32 hexadecimal digits, minted by the server. */
  readonly id: string;
  readonly clientId: string | undefined;
  /** What `authenticate` returned; the application's own. */
  data: Data;
  readonly state: SessionState;
  /** The transport that carries it; undefined while it is detached. */
  readonly transport: string | undefined;
  readonly remoteAddress: SocketAddress | undefined;
  /** Bytes accepted by `send` that no connection has taken yet, and those that one holds. */
  readonly bytesQueued: number;
  readonly info: SessionInfo;
  /** The largest message that both sides take, in bytes; what is larger is for `sendLarge` of `millrace/large`. */
  readonly maxPayloadBytes: number;

  /**
   * Queues a message without blocking.
   * @param message bytes, copied; or text, sent as UTF-8, 0..maxMessageBytes; and {@link SendOptions}.
   * @returns `sent`; `blocked`: accepted, now wait for `drain`; `dropped`: not accepted.
   * @throws FrameTooLargeError above the limit, SessionClosedError, InvalidArgumentError
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
   * Asks the client.
   * @param asked bytes, text, or nothing; and {@link RequestOptions}.
   * @returns what became of it: success, failure or timeout.
   * @throws ResourceExhaustedError where too many wait, or the queue is full; AbortedError, SessionClosedError
   */
  request<Subject extends RequestSubject<Events>>(
    subject: Subject,
    ...asked: RequestArguments<Events, Subject>
  ): Promise<Reply<Answered<Events, Subject>>>;

  /** Ends the session. What is queued is sent first, unless `graceful` is false. Idempotent. */
  close(options?: CloseOptions): void;
}
