import type { GoAway } from "../delivery/goaway.js";
import type { Message } from "../delivery/message.js";
import type { CloseInfo } from "../transport/close.js";
import type { ClientSession } from "./client_session.js";

/** What the server asks; its bytes are the handler's own. */
export interface ClientRequest extends Message {
  readonly subject: string;
}

/** Answers what the server asks: what it returns goes back; a `RequestFailure` that it throws does, too. */
export type ClientRequestHandler = (session: ClientSession, request: ClientRequest) => unknown;

/** What an application does with its session. What a handler throws goes to `error`, or is an uncaught exception. */
export interface ClientBehaviour {
  /** A message, valid during the call only; `message.copy()` keeps it. */
  message?(session: ClientSession, message: Message): unknown;
  /** Who answers the server's requests, by subject. */
  readonly requests?: Readonly<Record<string, ClientRequestHandler>>;
  /** Answers all others; without it they fail as unknown. */
  request?: ClientRequestHandler;
  /** The queue, once at its high-water mark, is below half of it again. */
  drain?(session: ClientSession): unknown;
  /** The connection is lost; {@link ClientSession.resume} goes on over another. */
  detached?(session: ClientSession, info: CloseInfo): unknown;
  /** The server is about to stop. */
  goAway?(session: ClientSession, goAway: GoAway): unknown;
  /** The last call. */
  close?(session: ClientSession, info: CloseInfo): unknown;
  error?(session: ClientSession, cause: unknown): unknown;
}
