import { InvalidArgumentError } from "../errors.js";
import type { NativeConnectionOptions } from "../native/environment.js";
import { parseTransportUrl } from "../transport/address.js";
import type { ClientTlsOptions, ServerTlsOptions } from "../transport/tls.js";
import type { ConfigurationSettings } from "./configuration.js";

/** Options that raw QUIC listeners and connect calls share. */
export interface QuicOptions {
  /** ALPN names (RFC 7301), the most wanted first; each 1..255 bytes. */
  readonly alpn: readonly string[];
  /** An open connection that hears nothing for so long is closed; 0 turns it off. 30,000 by default. */
  readonly idleTimeoutMs?: number;
  /** A handshake that takes longer fails. 10,000 by default. */
  readonly handshakeTimeoutMs?: number;
  /** Sends something when silent for so long; 0, the default, turns it off. */
  readonly keepAliveMs?: number;
  /** How many bidirectional streams the peer may have open at once: 0..65535, 128 by default. */
  readonly peerBidiStreams?: number;
  /** The same for unidirectional streams. */
  readonly peerUniStreams?: number;
  /** How much of a stream the peer may send ahead: a power of two, 4 KiB..16 MiB; 256 KiB by default. */
  readonly streamWindowBytes?: number;
  /** The same for all streams of a connection together: 4 KiB..1 GiB; 16 MiB by default. */
  readonly connectionWindowBytes?: number;
  /** Whether datagrams (RFC 9221) are taken. Default true. */
  readonly datagrams?: boolean;
  /** The queue size of a stream from which on `write` answers `blocked`; 1 MiB by default. */
  readonly highWaterMarkBytes?: number;
}

export interface QuicListenOptions extends QuicOptions {
  /** A name or address of this machine; `0.0.0.0` or `::` for all. */
  readonly host: string;
  /** 1..65535, or 0 for a free port. */
  readonly port: number;
  readonly tls: ServerTlsOptions;
  /** Other threads of this process may listen here too; connections go to the thread with the fewest. */
  readonly shared?: boolean;
}

export interface QuicConnectOptions extends QuicOptions {
  readonly tls?: ClientTlsOptions;
  readonly signal?: AbortSignal;
}

const RECEIVE_CREDIT_BYTES = 256 * 1024;
const KIB = 1024;
const MAX_MS = 0x7fff_ffff;

/** @throws InvalidArgumentError naming the option and what is allowed. */
export function readSettings(options: QuicOptions): ConfigurationSettings {
  const { alpn } = options;
  const alpnIsFit =
    Array.isArray(alpn) &&
    alpn.length > 0 &&
    alpn.every((name) => typeof name === "string" && name !== "" && Buffer.byteLength(name) <= 255);
  if (!alpnIsFit)
    throw new InvalidArgumentError("alpn must be a list of at least one name of 1 to 255 bytes");
  const streamWindowBytes = readInteger(
    "streamWindowBytes",
    options.streamWindowBytes,
    256 * KIB,
    4 * KIB,
    16 * KIB * KIB,
  );
  if (!Number.isInteger(Math.log2(streamWindowBytes))) {
    throw new InvalidArgumentError(`streamWindowBytes must be a power of two, and not ${streamWindowBytes}`);
  }
  return {
    alpns: [...alpn],
    idleTimeoutMs: readInteger("idleTimeoutMs", options.idleTimeoutMs, 30_000, 0, MAX_MS),
    handshakeTimeoutMs: readInteger("handshakeTimeoutMs", options.handshakeTimeoutMs, 10_000, 1, MAX_MS),
    keepAliveMs: readInteger("keepAliveMs", options.keepAliveMs, 0, 0, MAX_MS),
    peerBidiStreams: readInteger("peerBidiStreams", options.peerBidiStreams, 128, 0, 65_535),
    peerUniStreams: readInteger("peerUniStreams", options.peerUniStreams, 128, 0, 65_535),
    streamWindowBytes,
    connectionWindowBytes: readInteger(
      "connectionWindowBytes",
      options.connectionWindowBytes,
      16 * KIB * KIB,
      4 * KIB,
      KIB * KIB * KIB,
    ),
    datagrams: options.datagrams ?? true,
  };
}

/** @throws InvalidArgumentError */
export function readConnectionOptions(options: QuicOptions): NativeConnectionOptions {
  return {
    framed: false,
    maxFrameBytes: 0,
    highWaterMarkBytes: readInteger(
      "highWaterMarkBytes",
      options.highWaterMarkBytes,
      KIB * KIB,
      1,
      KIB * KIB * KIB,
    ),
    receiveCreditBytes: RECEIVE_CREDIT_BYTES,
    laneIdleMs: 0,
  };
}

/** @throws InvalidArgumentError where what is no behaviour or signal would fail only when it is needed. */
export function checkCall(options: unknown, behaviour: unknown): void {
  if (typeof options !== "object" || options === null)
    throw new InvalidArgumentError("options must be an object");
  if (typeof behaviour !== "object" || behaviour === null) {
    throw new InvalidArgumentError("behaviour must be an object of handlers");
  }
  const { signal } = options as { signal?: unknown };
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw new InvalidArgumentError("signal must be an AbortSignal");
  }
}

/** @throws InvalidArgumentError */
export function readEndpoint(options: { host: string; port: number }): void {
  if (typeof options.host !== "string" || options.host === "") {
    throw new InvalidArgumentError("host must be a name or an address");
  }
  readInteger("port", options.port, undefined, 0, 65_535);
}

/** @throws InvalidArgumentError when it is not `quic://host:port`. */
export function readUrl(url: string | URL): { host: string; port: number } {
  const text = String(url);
  const isQuic = text.toLowerCase().startsWith("quic://");
  const parsed = isQuic ? parseTransportUrl(text) : undefined;
  if (parsed === undefined || parsed.port === 0 || parsed.path !== "/") {
    throw new InvalidArgumentError(
      `"${text}" is no QUIC server's address; write it like quic://localhost:4433`,
    );
  }
  return { host: parsed.host, port: parsed.port };
}

function readInteger(
  name: string,
  given: unknown,
  byDefault: number | undefined,
  min: number,
  max: number,
): number {
  const value = given === undefined ? byDefault : given;
  if (typeof value === "number" && Number.isInteger(value) && value >= min && value <= max) return value;
  throw new InvalidArgumentError(
    `${name} must be an integer from ${min} to ${max}, and not ${String(value)}`,
  );
}
