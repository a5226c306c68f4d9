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
import type { GoAway } from "../delivery/goaway.js";
import type { Message } from "../delivery/message.js";
import type { MessageId } from "../delivery/send_options.js";
import type { Cursor } from "../topic/cursor.js";
import type { CloseInfo } from "../transport/close.js";
import type { LostSession, Route } from "./carried.js";
import type { SwitchCause } from "./journal.js";
import type { ProbeResult } from "./probe.js";
import type { ClientSession } from "./session.js";

/** What the server asks; its bytes are the handler's own. */
export interface ClientRequest extends Omit<Message, "confirm" | "reject"> {
  readonly subject: string;
}

/** A message of a topic. */
export interface Publication {
  readonly topic: string;
  /** The application's message type. */
  readonly type: number;
  readonly payload: Uint8Array;
  /** Right behind it: what is missed from here on is had by `subscribe` with `from`. */
  readonly cursor: Cursor;
  /** The payload as text. */
  text(): string;
}

/** Where something of a topic was missed. */
export interface MissedOfTopic {
  /**
   * Empty where the server does not know which. A pattern with wildcards, where the server had lost the subscription: of
   * topics under it that had not been heard yet, or too long ago to be asked for again.
   */
  readonly topic: string;
  /** The last that had come; undefined where nothing had, and of a pattern. */
  readonly after: Cursor | undefined;
}

/** What was missed: of a topic, or, where `topic` is undefined, with the session that the server has lost. */
export type Missed = MissedOfTopic | LostSession;

/** A connection that carries the session. */
export interface Connected extends Route {
  /** False where the session is new: the first, or one that the server has begun since it has lost the last one. */
  readonly resumed: boolean;
  /** Whether the server took the hello from the first packets, with `earlyData`; missing where it was not in them. */
  readonly earlyDataAccepted?: boolean;
}

/** Answers what the server asks: what it returns goes back; a `RequestFailure` that it throws does, too. */
export type ClientRequestHandler<Events = unknown> = (
  session: ClientSession<Events>,
  request: ClientRequest,
) => unknown;

/** Takes the server's messages, each as `ClientBehaviour.message` does. */
export type ClientEventHandler = (session: ClientSession, message: Message) => unknown;

/** By subject: where an {@link EventMap} is given, of its subjects, and what they carry. */
export type ClientRequestHandlers<Events> =
  IsAny<Events> extends true
    ? Readonly<Record<string, ClientRequestHandler>>
    : {
        readonly [Subject in RequestSubject<Events>]?: (
          session: ClientSession<Events>,
          request: Carrying<ClientRequest, Subject, Asked<Events, Subject>>,
        ) => AnswerOf<Events, Subject>;
      };

/** The same of messages. */
export type ClientEventHandlers<Events> =
  IsAny<Events> extends true
    ? Readonly<Record<string, ClientEventHandler>>
    : {
        readonly [Subject in EventSubject<Events>]?: (
          session: ClientSession<Events>,
          message: Carrying<Message, Subject, EventOf<Events, Subject>>,
        ) => unknown;
      };

/** A message that the server did not handle, or could not store. */
export interface RejectedMessage {
  readonly lane: number;
  /** The low 32 bits; 0 of one that went with the first packets. */
  readonly sequence: number;
  /** Of `FailureCode`. */
  readonly code: number;
  readonly reason: string;
}

/** What an application does with its session. What a handler throws goes to `error`, or is an uncaught exception. */
export interface ClientBehaviour<Events = unknown> {
  /** A message, valid during the call only; `message.copy()` keeps it. */
  message?(session: ClientSession<Events>, message: Message): unknown;
  /** A message of a topic, valid during the call only. */
  publication?(session: ClientSession<Events>, publication: Publication): unknown;
  /**
   * Messages have been missed. Of a topic: this client could not take them in time, or was away; `subscribe` with `from`
   * the last cursor that came gets what is kept of them. Of the session, `topic` being undefined: the server has lost it,
   * and has begun a new one, with the same subscriptions.
   */
  gap?(session: ClientSession<Events>, missed: Missed): unknown;
  /** Who takes messages, by subject; `message` has the others. */
  readonly events?: ClientEventHandlers<Events>;
  /** Who answers the server's requests, by subject. */
  readonly requests?: ClientRequestHandlers<Events>;
  /** Answers all others; without it they fail as unknown. */
  request?: ClientRequestHandler<Events>;
  /** The server did not handle a message, mostly since too much waits there. */
  rejected?(session: ClientSession<Events>, message: RejectedMessage): unknown;
  /**
   * A message that was given a `messageId` has gone out for the first time: to the session's connection, no farther. It
   * may go out again where that is lost.
   */
  sent?(session: ClientSession<Events>, messageId: MessageId): unknown;
  /**
   * The server says how far a message has come that was sent by `sendAcked` with a `messageId`: once for each level that
   * it tells, up to the one that was asked for.
   */
  acknowledged?(session: ClientSession<Events>, messageId: MessageId, level: AcknowledgedLevel): unknown;
  /** The queue, once at its high-water mark, is below half of it again. */
  drain?(session: ClientSession<Events>): unknown;
  /**
   * The session is about to connect for the first time. What is sent here waits for that; with `earlyData`, what is
   * `idempotent` goes with the first packets.
   */
  connecting?(session: ClientSession<Events>): unknown;
  /** There is a connection: the first one, before `connect` resolves, or another after one was lost. */
  connected?(session: ClientSession<Events>, connected: Connected): unknown;
  /** The connection is lost, and the session goes on without: it looks for another, unless `reconnect` is false. */
  disconnected?(session: ClientSession<Events>, info: CloseInfo): unknown;
  /** The session has moved to another connection while it had one. */
  switched?(session: ClientSession<Events>, from: Route, to: Route, reason: SwitchCause): unknown;
  /** The URLs have been measured, since `probe` was asked for; next, the best is connected to. */
  probed?(session: ClientSession<Events>, result: ProbeResult): unknown;
  /** The server is about to stop. */
  goAway?(session: ClientSession<Events>, goAway: GoAway): unknown;
  /** The last call. */
  close?(session: ClientSession<Events>, info: CloseInfo): unknown;
  /** A handler threw, or the server would not renew a subscription. */
  error?(session: ClientSession<Events>, cause: unknown): unknown;
}
