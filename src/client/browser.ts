/**
 * `millrace/client` in a browser, which bundlers choose by its condition `browser`: the same sessions over the browser's
 * own WebSocket, without native code and without Node.js. What it cannot do it refuses: `tls`, since browsers decide
 * themselves whom they trust; and URLs other than `wss:` and `ws:`, but those of `transports`.
 */
import { type BuiltIn, chooseTransport } from "../frame/transport_choice.js";
import { browserTransport } from "../websocket/browser.js";
import { beginSession } from "./begin.js";
import { beginPool } from "./begin_pool.js";
import { beginProbe } from "./begin_probe.js";
import type { ClientBehaviour } from "./behaviour.js";
import { clientClock } from "./clock.js";
import type { ClientOptions } from "./options.js";
import { atNeed } from "./part.js";
import type { Platform } from "./platform.js";
import type { Pool, PoolOptions } from "./pool.js";
import type { ProbeResult } from "./probe.js";
import type { ClientSession } from "./session.js";
import { watchPage } from "./wake_watch.js";
import { type SessionSocketClass, webSocketClass } from "./web_socket.js";

export * from "./contract.js";

const webSocket = async () => browserTransport;
const builtIn: BuiltIn = { wss: webSocket, ws: webSocket };

const browser: Platform = {
  transportOf: (url, added = []) => chooseTransport(url, added, builtIn),
  clock: clientClock,
  watchNetwork: watchPage,
  session: atNeed(async () => (await import("./page_session.js")).pageSession.ResumableSession),
  extras: atNeed(async () => (await import("./page_extras.js")).pageExtras),
};

/**
 * Begins a session with a server.
 * @param urls `wss://…`, `ws://…`, or a scheme of `options.transports`; or a list of them, all of the same server, which
 *   are tried in its order.
 * @throws InvalidArgumentError; SessionRefusedError where the server does not let this client in
 * @throws HandshakeFailedError where there is no connection: a browser does not say why; HandshakeTimeoutError after
 *   `connectTimeoutMs`; AbortedError
 */
export function connect<Events = unknown>(
  urls: string | readonly string[],
  options: ClientOptions = {},
  behaviour: ClientBehaviour<Events> = {},
): Promise<ClientSession<Events>> {
  return beginSession(urls, options, behaviour, browser);
}

/**
 * A class with the interface of `WebSocket`, each of which is a session: for libraries that take one, so that they run
 * over every transport that sessions do, without change.
 * @param options of each session; `url` and `protocols` are the constructor's.
 * @throws InvalidArgumentError
 */
export function createWebSocketClass(options: ClientOptions = {}): SessionSocketClass {
  return webSocketClass(connect, options);
}

/**
 * Measures several ways to a server, each on a connection of its own that begins no session: how long it takes to connect,
 * how fast messages are answered and taken in, and how many of them. The server's `authenticate` is asked once for each.
 * @param options as those of `connect`; what is measured, and what it weighs, is in `probe`.
 * @returns the figures, the best first. A URL that does not answer is among them, with its error.
 * @throws InvalidArgumentError; AbortedError
 */
export function probe(urls: string | readonly string[], options: ClientOptions = {}): Promise<ProbeResult> {
  return beginProbe(urls, options, browser);
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
  return beginPool(urls, options, behaviour, browser);
}
