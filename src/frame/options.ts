import { InvalidArgumentError } from "../errors.js";
import { checkHandlers } from "../options/handlers.js";
import { readOptions } from "../options/read.js";
import { integer, listOf, object, optional, protocolNames, withDefault } from "../options/schema.js";
import { type CloseOptions, closeOptions, maxCloseCode } from "../transport/close.js";
import type { HttpHandler } from "../transport/http.js";
import { listenerOptions } from "../transport/listener_options.js";
import { connectorOptions, limitOptions } from "../transport/options.js";
import type { ClientTlsOptions, ServerTlsOptions } from "../transport/tls.js";
import {
  isTransport,
  type Transport,
  type TransportListenOptions,
  type TransportOptions,
} from "../transport/transport.js";
import type { Behaviour } from "./connection.js";
import { type Codec, checkCodecs, isCodec } from "./message_codec.js";

/** Options that listening and connecting share. */
export interface MessageOptions {
  /**
   * The largest message, 1 B..64 MiB, or 2,096,056 B where QUIC is among the transports (1,572,006 with `jsonCodec`); 1 MiB by default. A peer that
   * sends a larger one is closed.
   */
  readonly maxMessageBytes?: number | undefined;
  /** The queue size from which on `send` answers `blocked`, 1 B..1 GiB; 1 MiB by default. */
  readonly highWaterMarkBytes?: number | undefined;
  /**
   * An open connection that hears nothing for so long is closed; 30,000 ms by default, 0 turns it off. Up to 2^31-1.
   * Peers answer by themselves, but for those who write lines on TCP: for them their operating system does.
   */
  readonly idleTimeoutMs?: number | undefined;
  /**
   * QUIC and TCP: a message that takes longer from its first byte to its last closes the connection with
   * `CloseCode.policy`; 30,000 ms by default, 0 turns it off. While this side takes no bytes, no time passes.
   * WebSocket's libraries show whole messages only, so a URL of theirs is refused with it.
   */
  readonly frameTimeoutMs?: number | undefined;
  /** A handshake that takes longer fails; 10,000 ms by default. */
  readonly handshakeTimeoutMs?: number | undefined;
  /**
   * ALPN names or subprotocols, the most wanted first; `millrace/1` on QUIC and TCP, `millrace.v1` on WebSocket. A
   * WebSocket leaves out those that are no tokens (RFC 6455 section 4.1), like all with a slash.
   */
  readonly protocols?: readonly string[] | undefined;
  /**
   * How frames are written, the most wanted first; `[frameCodec]` by default. The two sides agree on one by ALPN or
   * subprotocol, which is then not for `protocols` to name.
   */
  readonly codecs?: readonly Codec[] | undefined;
  /** Transports beside those that are built in; theirs is the first choice of scheme. */
  readonly transports?: readonly Transport[] | undefined;
}

export interface ListenOptions extends MessageOptions, ListenerOptions {
  /** Required by `quic`, `wss` and `tls`. */
  readonly tls?: ServerTlsOptions | undefined;
  /** Answers plain HTTP requests on WebSocket's port. */
  readonly http?: HttpHandler | undefined;
}

/** Those of a transport's listener that go to it as they are. */
type ListenerOptions = Partial<Omit<TransportListenOptions, "url" | "earlyData" | keyof TransportOptions>>;

export interface ConnectOptions extends MessageOptions {
  readonly tls?: ClientTlsOptions | undefined;
  /** Gives up connecting; an open connection it leaves alone. */
  readonly signal?: AbortSignal | undefined;
}

const MIB = 1024 * 1024;

/** Message options with every default filled in; each transport has protocols of its own. */
export interface ResolvedMessageOptions {
  readonly maxMessageBytes: number;
  readonly highWaterMarkBytes: number;
  readonly idleTimeoutMs: number;
  readonly frameTimeoutMs?: number | undefined;
  readonly handshakeTimeoutMs: number;
  readonly protocols?: readonly string[] | undefined;
  readonly codecs?: readonly Codec[] | undefined;
  readonly transports?: readonly Transport[] | undefined;
}

export interface ResolvedListenOptions extends ResolvedMessageOptions, ListenerOptions {
  /** For who can tell what came early, which sessions do. */
  readonly earlyData?: boolean | undefined;
}

export interface ResolvedConnectOptions extends ResolvedMessageOptions {
  readonly tls?: ClientTlsOptions | undefined;
  readonly signal?: AbortSignal | undefined;
}

const shared = {
  maxMessageBytes: withDefault(integer(1, 64 * MIB), MIB),
  ...limitOptions,
  frameTimeoutMs: optional(integer(0, 86_400_000)),
  protocols: optional(protocolNames),
  codecs: optional(listOf<Codec>("a list of at least one Codec object", 1, isCodec)),
  transports: optional(listOf<Transport>("a list of Transport objects", 0, isTransport)),
} satisfies Record<keyof MessageOptions, unknown>;

const listenSchema = object({
  ...shared,
  ...listenerOptions,
} satisfies Record<keyof ListenOptions, unknown>);

const connectSchema = object({
  ...shared,
  ...connectorOptions,
} satisfies Record<keyof ConnectOptions, unknown>);

const { graceful, deadlineMs } = closeOptions(maxCloseCode);
const listenerCloseSchema = object({ graceful, deadlineMs });

/** @throws InvalidArgumentError naming the option and what it allows; so do all of these. */
export function readListenOptions(options: ListenOptions): ResolvedListenOptions {
  return checked(readOptions(listenSchema, options));
}

export function readConnectOptions(options: ConnectOptions): ResolvedConnectOptions {
  return checked(readOptions(connectSchema, options));
}

function checked<Options extends ResolvedMessageOptions>(options: Options): Options {
  if (options.codecs === undefined) return options;
  if (options.protocols !== undefined) {
    throw new InvalidArgumentError("codecs are negotiated under names of their own: leave protocols out");
  }
  checkCodecs(options.codecs);
  return options;
}

export function checkListenerCloseOptions(options: Pick<CloseOptions, "graceful" | "deadlineMs">): void {
  readOptions(listenerCloseSchema, options);
}

const handlers = {
  open: true,
  message: true,
  drain: true,
  close: true,
  error: true,
} satisfies Record<keyof Behaviour, true>;

export function checkBehaviour<Data>(behaviour: Behaviour<Data>): void {
  checkHandlers(behaviour, Object.keys(handlers));
}
