import { checkHandlers } from "../options/handlers.js";
import { readOptions } from "../options/read.js";
import { integer, listOf, object, withDefault } from "../options/schema.js";
import { parseTransportUrl } from "../transport/address.js";
import { listenerOptions } from "../transport/listener_options.js";
import { connectorOptions, limitOptions } from "../transport/options.js";
import type { ClientTlsOptions } from "../transport/tls.js";
import type { TransportListener, TransportListenOptions, TransportOptions } from "../transport/transport.js";
import type { WebSocketBehaviour, WebSocketConnection } from "./behaviour.js";
import { webSocketTransport } from "./transport.js";

/**
 * The transport's options, each with a default: no subprotocol, frames and queue of 1 MiB, 30 s until idle, 10 s for the
 * handshake.
 */
export type WebSocketOptions = Partial<Omit<TransportOptions, "frameTimeoutMs" | "stream">>;

export interface WebSocketListenOptions
  extends WebSocketOptions,
    Partial<Omit<TransportListenOptions, "url" | "earlyData" | keyof TransportOptions>> {}

export interface WebSocketConnectOptions extends WebSocketOptions {
  readonly tls?: ClientTlsOptions;
  readonly signal?: AbortSignal;
  /** Offers permessage-deflate (RFC 7692), without context takeover; false by default. */
  readonly permessageDeflate?: boolean;
}

const MIB = 1024 * 1024;

const shared = {
  protocols: withDefault(
    listOf<string>(
      "a list of names, each of 1 or more bytes",
      0,
      (value) => typeof value === "string" && value !== "",
    ),
    [],
  ),
  maxFrameBytes: withDefault(integer(1, 1024 * MIB), MIB),
  ...limitOptions,
} satisfies Record<keyof WebSocketOptions, unknown>;

const listenSchema = object({ ...shared, ...listenerOptions } satisfies Record<
  keyof WebSocketListenOptions,
  unknown
>);

const connectSchema = object({
  ...shared,
  ...connectorOptions,
  permessageDeflate: listenerOptions.permessageDeflate,
} satisfies Record<keyof WebSocketConnectOptions, unknown>);

const handlers: readonly (keyof WebSocketBehaviour)[] = ["open", "frame", "text", "drain", "close"];

/**
 * Serves plain WebSocket messages, without millrace's frames: `behaviour.frame` gets binary messages,
 * `behaviour.text` text.
 * @param url `ws://host:port/path` or `wss://…`; port 0 takes a free one.
 * @throws InvalidArgumentError, and the classes of a listener of messages
 */
export async function listen(
  url: string,
  behaviour: WebSocketBehaviour,
  options: WebSocketListenOptions = {},
): Promise<TransportListener> {
  const { tls, http, ...read } = readOptions(listenSchema, options);
  checkHandlers(behaviour, handlers);
  return webSocketTransport.listen({ ...read, url: parseTransportUrl(url), tls, http }, behaviour);
}

/**
 * Opens a plain WebSocket; `behaviour.open` is not called for it.
 * @throws InvalidArgumentError, and the classes of a connection of messages
 */
export async function connect(
  url: string,
  behaviour: WebSocketBehaviour = {},
  options: WebSocketConnectOptions = {},
): Promise<WebSocketConnection> {
  const { tls, signal, ...read } = readOptions(connectSchema, options);
  checkHandlers(behaviour, handlers);
  return webSocketTransport.connect({ ...read, url: parseTransportUrl(url), tls, signal }, behaviour);
}
