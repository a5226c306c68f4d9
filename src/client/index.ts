/**
 * Sessions as their clients have them. A bundler for browsers gets the same without native code, over WebSocket.
 * @module millrace/client
 */
import { decompressPayload } from "../frame/compression.js";
import { transportOf } from "../frame/transports.js";
import { beginSession } from "./begin.js";
import type { ClientBehaviour } from "./behaviour.js";
import type { ClientOptions } from "./options.js";
import type { ClientSession } from "./session.js";

export * from "./contract.js";

const node = { transportOf, decompress: decompressPayload };

/**
 * Begins a session with a server.
 * @param url `quic://host:port`, `wss://…`, `ws://…`, `tls://…`, `tcp://…`, or a scheme of `options.transports`.
 * @throws InvalidArgumentError; SessionRefusedError where the server does not let this client in
 * @throws the classes of `connect`; HandshakeTimeoutError after `connectTimeoutMs`; AbortedError
 */
export async function connectSession<Events = unknown>(
  url: string,
  options: ClientOptions = {},
  behaviour: ClientBehaviour<Events> = {},
): Promise<ClientSession<Events>> {
  return beginSession(url, options, behaviour, node);
}
