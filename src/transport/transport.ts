import { isFunction, isObject } from "../options/schema.js";
import type { SocketAddress, TransportUrl } from "./address.js";
import type { AdmissionOptions } from "./admission.js";
import type { TransportBehaviour, TransportConnection } from "./connection.js";
import type { StreamFraming } from "./control.js";
import type { EarlyDataOptions } from "./early_data.js";
import type { HttpHandler } from "./http.js";
import type { ClientTlsOptions, ServerTlsOptions } from "./tls.js";

/** Options that listening and connecting share. */
export interface TransportOptions {
  /** ALPN names (QUIC, TLS) or subprotocols (WebSocket), the most wanted first. */
  readonly protocols: readonly string[];
  /** The largest frame taken from the peer, in bytes; a larger one closes the connection. */
  readonly maxFrameBytes: number;
  /** The queue size, in bytes, from which on `send` answers `blocked`. */
  readonly highWaterMarkBytes: number;
  /**
   * An open connection whose peer is not heard for so long is closed; 0 turns it off. A transport asks a quiet peer
   * before that, so one that lives is heard: see `Liveness`.
   */
  readonly idleTimeoutMs: number;
  /**
   * A frame that takes longer to come whole closes the connection; 0 waits for ever. Transports that cannot keep it
   * refuse it; without it they choose.
   */
  readonly frameTimeoutMs?: number | undefined;
  /** A handshake that takes longer fails. */
  readonly handshakeTimeoutMs: number;
  /** How frames lie in a stream of bytes; always there for those that `listen` and `connect` call. */
  readonly stream?: StreamFraming | undefined;
}

export interface TransportListenOptions extends TransportOptions, AdmissionOptions {
  readonly url: TransportUrl;
  readonly tls: ServerTlsOptions | undefined;
  /** Answers plain HTTP requests on the same port, where the transport has HTTP. */
  readonly http: HttpHandler | undefined;
  /**
   * The origins of the pages whose scripts may open a WebSocket, where the transport has HTTP; others are answered 403.
   * Each as a browser writes it, `https://example.com` or `null`. Without it every page may, also in the name of a user
   * who is logged in (threats: cross-site WebSocket hijacking).
   */
  readonly origins?: readonly string[] | undefined;
  /**
   * Shares the port with others that set this, too: the operating system spreads TCP connections over worker threads and
   * processes of one user (SO_REUSEPORT; `ws` by uWebSockets.js, `tcp`, `tls` and `wss` from Node 22.12 on, on Linux),
   * and QUIC's engine over the threads of one process. False by default: a second one gets AddressInUseError.
   */
  readonly reusePort?: boolean | undefined;
  /** Whether a WebSocket may be opened by who names no origin, which no browser does; true by default. */
  readonly allowMissingOrigin?: boolean | undefined;
  /**
   * Of WebSocket: agrees to permessage-deflate (RFC 7692) with clients that offer it, as browsers do, without context
   * takeover, so that no connection holds a window. False by default. What frames carry compressed gains nothing by it.
   */
  readonly permessageDeflate?: boolean | undefined;
  /**
   * Takes early data (0-RTT), where the transport has any: the behaviour's `open` is then called for a connection that
   * `isEarly`, and `confirmed` when it is not any more. False by default.
   */
  readonly earlyData?: boolean | undefined;
}

export interface TransportConnectOptions extends TransportOptions {
  readonly url: TransportUrl;
  readonly tls: ClientTlsOptions | undefined;
  readonly signal: AbortSignal | undefined;
  /**
   * What this side begins with. A transport that knows what both sides will speak before its handshake is over may ask for
   * it then, once at the most, and send it along, which saves a round trip and a write; what it does not ask for is sent
   * when it has connected.
   * @param protocol what both sides speak where the handshake succeeds.
   * @returns a frame; undefined where there is none in this protocol. What it throws is why connecting fails.
   */
  readonly opening?: ((protocol: string) => Uint8Array | undefined) | undefined;
  /**
   * Resumes the TLS session of an earlier connection, where the transport can: `connect` then resolves with one that
   * `isEarly`, before anything was sent. What is to go with its first packets is to be sent at once.
   */
  readonly earlyData?: EarlyDataOptions | undefined;
  /** Of WebSocket: offers permessage-deflate (RFC 7692), without context takeover. False by default. */
  readonly permessageDeflate?: boolean | undefined;
}

/** Accepts connections on one endpoint. */
export interface TransportListener {
  readonly transport: string;
  readonly address: SocketAddress;
  /** The URL clients use, with the port that was really bound. */
  readonly url: string;
  /** Connections accepted and not yet closed. */
  readonly connectionCount: number;
  /**
   * From now on handshakes use this; open connections keep what they have. Missing where the listener has no TLS.
   * @throws what is wrong with it, and then all is as it was
   */
  readonly updateTls?: ((tls: ServerTlsOptions) => Promise<void>) | undefined;
  /** Stops accepting; open connections stay. Resolves when the port is free. Idempotent. */
  close(): Promise<void>;
}

/**
 * A way to carry frames. QUIC, WebSocket and TCP are built in; others join by implementing this.
 * `listen` and `connect` reject with the classes of `errors.ts`, each within its deadline.
 */
export interface Transport {
  readonly name: string;
  /** URL schemes, without the colon. */
  readonly schemes: readonly string[];
  /**
   * Whether `listen` takes `reusePort` here for URLs of a scheme, so that several threads accept on one. Missing: no; of
   * the threads of `startWorkers` one accepts then.
   */
  sharesPort?(scheme: string): boolean | PromiseLike<boolean>;
  /** Resolves when the endpoint is bound. */
  listen(options: TransportListenOptions, behaviour: TransportBehaviour): Promise<TransportListener>;
  /** Resolves with an open connection; the behaviour's `open` is not called for it. */
  connect(options: TransportConnectOptions, behaviour: TransportBehaviour): Promise<TransportConnection>;
}

/** Whether this is a {@link Transport}. */
export function isTransport(value: unknown): boolean {
  if (!isObject(value)) return false;
  const { name, schemes, listen, connect } = value as Partial<Record<keyof Transport, unknown>>;
  return typeof name === "string" && Array.isArray(schemes) && isFunction(listen) && isFunction(connect);
}
