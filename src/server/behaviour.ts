import type { X509Certificate } from "node:crypto";
import type { AcknowledgedLevel } from "../delivery/acknowledgement.js";
import type {
  AnswerOf,
  Asked,
  Carrying,
  EventMap,
  EventOf,
  EventSubject,
  IsAny,
  RequestSubject,
} from "../delivery/event_map.js";
import type { Message } from "../delivery/message.js";
import type { MessageId } from "../delivery/send_options.js";
import type { SocketAddress } from "../transport/address.js";
import type { Refusal } from "./refusal.js";
import type { ServerRequest } from "./server_request.js";
import type { Session, SessionEnd } from "./session.js";

/** What a client says of itself before it is anybody. All of it is a stranger's word. */
export interface ClientHello {
  /** The name that the client wants to be addressed by. */
  readonly clientId: string | undefined;
  /** What it proves itself with; empty where it has nothing. Its own bytes. */
  readonly token: Uint8Array;
  /** {@link token} as text. */
  readonly tokenText: string;
  /** What the application's clients say beside that; its own bytes. */
  readonly meta: ReadonlyMap<string, Uint8Array>;
  /** It says that it takes up a session again; whether it may is looked at when this has let it in. */
  readonly resuming: boolean;
}

/** Where a hello came from. */
export interface AuthenticateContext {
  /** `quic`, `websocket`, `tcp`, or a transport of the application's own. */
  readonly transport: string;
  readonly remoteAddress: SocketAddress;
  /** Of a WebSocket: what its Origin header says. */
  readonly origin: string | undefined;
  /** The certificate that the client showed, where the listener's TLS asks for one. */
  readonly peerCertificate: X509Certificate | undefined;
  /**
   * Fires when the client is gone, or has used up its time. What goes on then holds a place of `limits.unauthenticated`
   * until it has settled, and the client comes again.
   */
  readonly signal: AbortSignal;
  /**
   * Resolves when the client has proved that its hello is no copy of what it has sent before, which may be so with
   * `earlyData`; without, it has already. It costs the round trip that early data saves. Rejects where the client goes.
   */
  readonly confirmed: Promise<void>;
  /** The client id that the session will have: what the hello asks for, unless it is assigned another. */
  clientId: string | undefined;
}

/** Answers a client's requests: what it returns goes back; what it throws is a failure. */
export type RequestHandler<Data, Events = unknown> = (
  session: Session<Data, Events>,
  request: ServerRequest,
) => unknown;

/** Takes a client's messages, each as `ServerBehaviour.message` does. */
export type EventHandler<Data> = (session: Session<Data>, message: Message) => unknown;

/** A client that `authenticate` has let in, and that has no session yet. */
export interface EarlyClient<Data> {
  /** The client id that its session will have. */
  readonly clientId: string | undefined;
  /** What `authenticate` has returned. */
  readonly data: Data;
  readonly transport: string;
  readonly remoteAddress: SocketAddress;
  /** It takes up a session again. */
  readonly resuming: boolean;
}

/** Answers as a {@link RequestHandler} does, for a client that has no session yet. */
export type EarlyRequestHandler<Data> = (client: EarlyClient<Data>, request: ServerRequest) => unknown;

/**
 * Takes a message as an {@link EventHandler} does, of a client that has no session yet; the message's bytes are its own.
 * `message.reject` is told to the client where it is called before the handler has come to its end; `confirm` is told to
 * nobody.
 */
export type EarlyEventHandler<Data> = (client: EarlyClient<Data>, message: Message) => unknown;

/** By subject: where an {@link EventMap} is given, of its subjects, and what they carry. */
export type RequestHandlers<Data, Events> =
  IsAny<Events> extends true
    ? Readonly<Record<string, RequestHandler<Data>>>
    : {
        readonly [Subject in RequestSubject<Events>]?: (
          session: Session<Data, Events>,
          request: Carrying<ServerRequest, Subject, Asked<Events, Subject>>,
        ) => AnswerOf<Events, Subject>;
      };

/** The same of messages. */
export type EventHandlers<Data, Events> =
  IsAny<Events> extends true
    ? Readonly<Record<string, EventHandler<Data>>>
    : {
        readonly [Subject in EventSubject<Events>]?: (
          session: Session<Data, Events>,
          message: Carrying<Message, Subject, EventOf<Events, Subject>>,
        ) => unknown;
      };

/** The same of requests that came early. */
export type EarlyRequestHandlers<Data, Events> =
  IsAny<Events> extends true
    ? Readonly<Record<string, EarlyRequestHandler<Data>>>
    : {
        readonly [Subject in RequestSubject<Events>]?: (
          client: EarlyClient<Data>,
          request: Carrying<ServerRequest, Subject, Asked<Events, Subject>>,
        ) => AnswerOf<Events, Subject>;
      };

/** The same of messages that came early. */
export type EarlyEventHandlers<Data, Events> =
  IsAny<Events> extends true
    ? Readonly<Record<string, EarlyEventHandler<Data>>>
    : {
        readonly [Subject in EventSubject<Events>]?: (
          client: EarlyClient<Data>,
          message: Carrying<Message, Subject, EventOf<Events, Subject>>,
        ) => unknown;
      };

/** What a request handler returns, or a promise of it: bytes as they are; text as UTF-8; nothing as no bytes. */
export type Answer = Uint8Array | string | undefined;

/**
 * What an application does with its sessions: one object for all of them, over every transport. Handlers may be
 * asynchronous: such are run by the dispatcher, within its limits, in order for each session. What they throw or reject
 * with goes to `error`, and without one is thrown as an uncaught exception; it never ends a session.
 */
export interface ServerBehaviour<Data = unknown, Events = unknown> {
  /**
   * Says who a client is, at every hello, of sessions that are taken up again too. Without it anybody is let in.
   * @returns the session's data, or a refusal. What it throws is told to `error`; the client learns no more than that
   *   the server has a fault (`RejectCode.internal`), and comes again.
   */
  authenticate?(
    hello: ClientHello,
    context: AuthenticateContext,
  ): Data | Refusal | PromiseLike<Data | Refusal>;
  /** A session begins. */
  open?(session: Session<Data, Events>): unknown;
  /**
   * A message, valid during the call only; `message.copy()` keeps it. An async function gets one of its own.
   */
  message?(session: Session<Data, Events>, message: Message): unknown;
  /** Who takes messages, by subject; `message` has the others. */
  readonly events?: EventHandlers<Data, Events>;
  /** Who answers requests, by subject. */
  readonly requests?: RequestHandlers<Data, Events>;
  /** Answers all other requests; without it they fail as unknown. */
  request?: RequestHandler<Data, Events>;
  /**
   * Answers, by subject, idempotent requests that came with a client's first packets, a round trip or two before its
   * session begins; needs `earlyData`. Nothing has proved yet that they are no copy of what somebody else has sent, so
   * they must do no harm, and there is no session to send to. No middleware stands before them but that of `connect`: what
   * else it would check is theirs to check. All that have no handler here wait for the session, and come to `requests`.
   */
  readonly earlyRequests?: EarlyRequestHandlers<Data, Events>;
  /**
   * Takes, by subject, idempotent messages that came so: the same holds for them. Each counts as received when its handler
   * has come to its end; what that throws goes to `error`, and the message does not come again. All that have no handler
   * here, and what stands behind them, wait for the session, and come to `events`.
   */
  readonly earlyEvents?: EarlyEventHandlers<Data, Events>;
  /**
   * Whether a client may subscribe to a subject, or to all that match a pattern: without it none may. Patterns have one
   * spelling; `*` and `>` in them are wildcards.
   */
  subscribe?(session: Session<Data, Events>, pattern: string): boolean | PromiseLike<boolean>;
  /** Whether a client may publish to a topic: without it none may. */
  publish?(
    session: Session<Data, Events>,
    subject: string,
    payload: Uint8Array,
  ): boolean | PromiseLike<boolean>;
  /** The session's queue, once at its high-water mark, is below half of it again. */
  drain?(session: Session<Data, Events>): unknown;
  /** The session has lost its connection, and may be taken up again until its resume window ends. */
  detached?(session: Session<Data, Events>): unknown;
  /** The session goes on over another connection. `data` is what `authenticate` returned this time. */
  resumed?(session: Session<Data, Events>, data: Data): unknown;
  /**
   * A message that was given a `messageId` has gone out for the first time: to the session's connection, no farther. It
   * may go out again where that is lost.
   */
  sent?(session: Session<Data, Events>, messageId: MessageId): unknown;
  /**
   * The client says how far a message has come that was sent by `sendAcked` with a `messageId`: once for each level that
   * it tells, up to the one that was asked for.
   */
  delivered?(session: Session<Data, Events>, messageId: MessageId, level: AcknowledgedLevel): unknown;
  /** Nothing was heard of the session for the heartbeat's timeout: its connection is given up. */
  heartbeatTimeout?(session: Session<Data, Events>): unknown;
  /** The last call for a session. */
  close?(session: Session<Data, Events>, end: SessionEnd): unknown;
  /** A handler threw; without a session, one that is not of a session. */
  error?(session: Session<Data, Events> | undefined, cause: unknown): unknown;
  /** Something is near its limit. */
  warning?(warning: ServerWarning): unknown;
}

/** What a server warns of, once until it is over. */
export interface ServerWarning {
  /**
   * - `pendingRequests`: 80 % of `maxPendingRequests` wait;
   * - `queueBytes`: sessions hold 80 % of `limits.queueBytes`.
   */
  readonly kind: "pendingRequests" | "queueBytes";
  readonly current: number;
  readonly limit: number;
}
