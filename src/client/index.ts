/**
 * Sessions as their clients have them. A bundler for browsers gets the same without native code, over WebSocket.
 * @module millrace/client
 */
import { transportOf } from "../frame/transports.js";
import { beginSession } from "./begin.js";
import { beginPool } from "./begin_pool.js";
import { beginProbe } from "./begin_probe.js";
import type { ClientBehaviour } from "./behaviour.js";
import { choice } from "./choice.js";
import { ResumableSession } from "./client_session.js";
import { clientClock } from "./clock.js";
import { extrasWith } from "./extras.js";
import { httpsDocument } from "./https_document.js";
import type { ClientOptions } from "./options.js";
import { present } from "./part.js";
import type { Platform } from "./platform.js";
import type { Pool, PoolOptions } from "./pool.js";
import type { ProbeResult } from "./probe.js";
import type { ClientSession } from "./session.js";
import { watchWake } from "./wake_watch.js";
import { type SessionSocketClass, webSocketClass } from "./web_socket.js";

export * from "./contract.js";

const node: Platform = {
  transportOf,
  session: present(ResumableSession),
  extras: present(extrasWith(httpsDocument)),
  clock: clientClock,
  watchNetwork: watchWake,
  choice,
};

/**
 * Begins a session with a server.
 * @param urls `quic://host:port`, `wss://…`, `ws://…`, `tls://…`, `tcp://…`, or a scheme of `options.transports`; or a list
 *   of them, all of the same server, which are tried in its order.
 * @throws InvalidArgumentError; SessionRefusedError where the server does not let this client in
 * @throws the classes of `connect`; HandshakeTimeoutError after `connectTimeoutMs`; AbortedError
 */
export async function connect<Events = unknown>(
  urls: string | readonly string[],
  options: ClientOptions = {},
  behaviour: ClientBehaviour<Events> = {},
): Promise<ClientSession<Events>> {
  return beginSession(urls, options, behaviour, node);
}

/**
 * A class with the interface of `WebSocket`, each of which is a session: for libraries that take one, so that they run
 * over every transport that sessions do, without change.
 * @param options of each session; `url` and `protocols` are the constructor's.
 * @throws InvalidArgumentError
 */
export function createWebSocketClass(options: ClientOptions = {}): SessionSocketClass {
  return webSocketClass(connect, options, choice);
}

/**
 * Measures several ways to a server, each on a connection of its own that begins no session: how long it takes to connect,
 * how fast messages are answered and taken in, and how many of them. The server's `authenticate` is asked once for each.
 * @param options as those of `connect`; what is measured, and what it weighs, is in `probe`.
 * @returns the figures, the best first. A URL that does not answer is among them, with its error.
 * @throws InvalidArgumentError; AbortedError
 */
export function probe(urls: string | readonly string[], options: ClientOptions = {}): Promise<ProbeResult> {
  return beginProbe(urls, options, node);
}

/**
 * Makes a few sessions with a server, for many requests: each goes to the session with the least to do, and one that gives
 * no sign of life is replaced.
 * @param urls as those of `connect`; so are `options`, beside those of the pool itself.
 * @param behaviour of each of the sessions, which it is told.
 * @returns the pool, as soon as it has a first session.
 * @throws as `connect`, where it gets none
 */
export function createPool<Events = unknown>(
  urls: string | readonly string[],
  options: PoolOptions = {},
  behaviour: ClientBehaviour<Events> = {},
): Promise<Pool<Events>> {
  return beginPool(urls, options, behaviour, node);
}
