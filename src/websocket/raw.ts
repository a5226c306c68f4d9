import { parseTransportUrl } from "../transport/address.js";
import type { HttpHandler } from "../transport/http.js";
import type { ClientTlsOptions, ServerTlsOptions } from "../transport/tls.js";
import type { TransportListener, TransportOptions } from "../transport/transport.js";
import type { WebSocketBehaviour, WebSocketConnection } from "./behaviour.js";
import { webSocketTransport } from "./transport.js";

/** The transport's options, each with a default: no subprotocol, 1 MiB, 1 MiB, 30 s, 10 s. */
export type WebSocketOptions = Partial<TransportOptions>;

export interface WebSocketListenOptions extends WebSocketOptions {
  readonly tls?: ServerTlsOptions;
  readonly http?: HttpHandler;
}

export interface WebSocketConnectOptions extends WebSocketOptions {
  readonly tls?: ClientTlsOptions;
  readonly signal?: AbortSignal;
}

const defaults: TransportOptions = {
  protocols: [],
  maxFrameBytes: 1024 * 1024,
  highWaterMarkBytes: 1024 * 1024,
  idleTimeoutMs: 30_000,
  handshakeTimeoutMs: 10_000,
};

/**
 * Serves plain WebSocket messages, without millrace's frames: `behaviour.frame` gets binary messages,
 * `behaviour.text` text.
 * @param url `ws://host:port/path` or `wss://…`; port 0 takes a free one.
 */
export function listen(
  url: string,
  behaviour: WebSocketBehaviour,
  options: WebSocketListenOptions = {},
): Promise<TransportListener> {
  const { tls, http, ...rest } = options;
  return webSocketTransport.listen(
    { ...defaults, ...rest, url: parseTransportUrl(url), tls, http },
    behaviour,
  );
}

/** Opens a plain WebSocket; `behaviour.open` is not called for it. */
export function connect(
  url: string,
  behaviour: WebSocketBehaviour,
  options: WebSocketConnectOptions = {},
): Promise<WebSocketConnection> {
  const { tls, signal, ...rest } = options;
  return webSocketTransport.connect(
    { ...defaults, ...rest, url: parseTransportUrl(url), tls, signal },
    behaviour,
  );
}
