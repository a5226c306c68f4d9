/**
 * Sessions as their clients have them.
 * @module millrace/client
 */
import { checkHandlers } from "../options/handlers.js";
import type { ClientBehaviour } from "./behaviour.js";
import { ResumableSession } from "./client_session.js";
import { type ClientOptions, readClientOptions } from "./options.js";
import type { ClientSession } from "./session.js";

export { FailureCode, type Reply, RequestFailure } from "../delivery/failure.js";
export type { GoAway } from "../delivery/goaway.js";
export type { Message } from "../delivery/message.js";
export type { Cursor } from "../topic/cursor.js";
export type {
  ClientBehaviour,
  ClientRequest,
  ClientRequestHandler,
  Missed,
  Publication,
} from "./behaviour.js";
export type { ClientOptions } from "./options.js";
export type { ClientSession } from "./session.js";
export type { SubscribeFrom, Subscription } from "./topic_cursors.js";

const handlerNames = [
  "message",
  "publication",
  "gap",
  "rejected",
  "request",
  "drain",
  "detached",
  "goAway",
  "close",
  "error",
] satisfies (keyof ClientBehaviour)[];

/**
 * Begins a session with a server.
 * @param url `quic://host:port`, `wss://…`, `ws://…`, `tls://…`, `tcp://…`, or a scheme of `options.transports`.
 * @throws InvalidArgumentError; SessionRefusedError where the server does not let this client in
 * @throws the classes of `connect`; HandshakeTimeoutError after `connectTimeoutMs`; AbortedError
 */
export async function connectSession(
  url: string,
  options: ClientOptions = {},
  behaviour: ClientBehaviour = {},
): Promise<ClientSession> {
  checkHandlers(behaviour, handlerNames);
  const session = new ResumableSession(readClientOptions(options), behaviour);
  await session.begin(url);
  return session;
}
