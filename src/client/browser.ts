/**
 * `millrace/client` in a browser, which bundlers choose by its condition `browser`: the same sessions over the browser's
 * own WebSocket, without native code and without Node.js. What it cannot do it refuses: `tls`, since browsers decide
 * themselves whom they trust; compressed messages; and URLs other than `wss:` and `ws:`, but those of `transports`.
 */
import { ProtocolViolationError } from "../errors.js";
import { type BuiltIn, chooseTransport } from "../frame/transport_choice.js";
import { browserTransport } from "../websocket/browser.js";
import { beginSession } from "./begin.js";
import type { ClientBehaviour } from "./behaviour.js";
import type { ClientOptions } from "./options.js";
import type { Platform } from "./platform.js";
import type { ClientSession } from "./session.js";

export * from "./contract.js";

const webSocket = async () => browserTransport;
const builtIn: BuiltIn = { wss: webSocket, ws: webSocket };

const browser: Platform = {
  transportOf: (url, added = []) => chooseTransport(url, added, builtIn),
  decompress: (_payload, compression) => {
    throw new ProtocolViolationError(`compression ${compression} is not known in a browser`);
  },
};

/**
 * Begins a session with a server.
 * @param url `wss://…`, `ws://…`, or a scheme of `options.transports`.
 * @throws InvalidArgumentError; SessionRefusedError where the server does not let this client in
 * @throws HandshakeFailedError where there is no connection: a browser does not say why; HandshakeTimeoutError after
 *   `connectTimeoutMs`; AbortedError
 */
export function connectSession<Events = unknown>(
  url: string,
  options: ClientOptions = {},
  behaviour: ClientBehaviour<Events> = {},
): Promise<ClientSession<Events>> {
  return beginSession(url, options, behaviour, browser);
}
