import { InvalidArgumentError } from "../../errors.js";
import type { NativeConnectionOptions, NativeSettings } from "../../native/environment.js";
import type { Complete } from "../../options/complete.js";
import { flag, integer, oneOf, powerOfTwo, protocolNames, withDefault } from "../../options/schema.js";
import type { ConfigurationSettings } from "../configuration.js";

/** Options that raw QUIC listeners and connect calls share. */
export interface QuicOptions {
  /** ALPN names (RFC 7301), the most wanted first; each 1..255 bytes. */
  readonly alpn: readonly string[];
  /**
   * An open connection that hears nothing for so long is closed: the smaller of both sides' counts (RFC 9000 section
   * 10.1). 0 leaves it to the peer. 30,000 by default.
   */
  readonly idleTimeoutMs?: number | undefined;
  /**
   * A handshake that takes longer fails; of `connect`, with all that comes before: the name's addresses, tickets. 10,000
   * by default.
   */
  readonly handshakeTimeoutMs?: number | undefined;
  /** A connection whose peer acknowledges nothing for so long is closed: 1..600,000; 16,000 by default. */
  readonly disconnectTimeoutMs?: number | undefined;
  /**
   * Sends something when silent for so long, which keeps the connection, and a NAT's memory of it, alive. Less than
   * `idleTimeoutMs`; 0, the default, turns it off: a connection that nobody uses ends by its idle timeout.
   */
  readonly keepAliveMs?: number | undefined;
  /** What the round trip is taken for until it was measured (RFC 9002 section 6.2.2): 1..10,000; 333 by default. */
  readonly initialRttMs?: number | undefined;
  /** How many bidirectional streams the peer may have open at once: 0..65535, 128 by default. */
  readonly peerBidiStreams?: number | undefined;
  /** The same for unidirectional streams. */
  readonly peerUniStreams?: number | undefined;
  /**
   * How much of a stream the peer may send beyond what this thread was given: a power of two, 4 KiB..16 MiB; 256 KiB by
   * default. A stream that nobody reads holds up to 256 KiB besides, and msquic lets the window of a stream that is read
   * grow with it, up to `connectionWindowBytes`.
   */
  readonly streamWindowBytes?: number | undefined;
  /** The same for all streams of a connection together: 4 KiB..1 GiB; 16 MiB by default. */
  readonly connectionWindowBytes?: number | undefined;
  /**
   * The size of IP packets to begin with: 1248..1500, headers included; 1248 by default, which every path of QUIC
   * carries (RFC 9000 section 14).
   */
  readonly minimumMtu?: number | undefined;
  /** The largest size that is searched for (RFC 9000 section 14.3): `minimumMtu`..1500; 1500 by default. */
  readonly maximumMtu?: number | undefined;
  /** Who decides how fast is sent: `cubic` (RFC 9438), the default, or `bbr`, which bears random loss better. */
  readonly congestionControl?: "cubic" | "bbr" | undefined;
  /** Whether datagrams (RFC 9221) are taken. Default true. */
  readonly datagrams?: boolean | undefined;
  /** The queue size of a stream from which on `write` answers `blocked`; 1 MiB by default. */
  readonly highWaterMarkBytes?: number | undefined;
  /**
   * How many streams the peer may abort a second, by RESET_STREAM or STOP_SENDING, on average over ten seconds;
   * streams that this side stopped first do not count. One that aborts more is closed with `CloseCode.policy` and
   * PolicyViolationError. 0 is no limit; 200 by default.
   */
  readonly peerAbortsPerSecond?: number | undefined;
  /**
   * Lets msquic copy what is written, up to its own estimate of what the path holds. What it has copied no longer
   * counts as queued, although the peer has not acknowledged it. Default false: bytes count until acknowledged.
   */
  readonly sendBuffering?: boolean | undefined;
}

const KIB = 1024;
const MIB = 1024 * KIB;
const MAX_MS = 0x7fff_ffff;
const MIN_MTU = 1248;
const MAX_MTU = 1500;
const RECEIVE_CREDIT_BYTES = 256 * KIB;

/** How connections behave where nothing else is asked for. */
export const defaultSettings: NativeSettings = {
  idleTimeoutMs: 30_000,
  handshakeTimeoutMs: 10_000,
  disconnectTimeoutMs: 16_000,
  keepAliveMs: 0,
  initialRttMs: 333,
  peerBidiStreams: 128,
  peerUniStreams: 128,
  streamWindowBytes: 256 * KIB,
  connectionWindowBytes: 16 * MIB,
  minimumMtu: MIN_MTU,
  maximumMtu: MAX_MTU,
  congestionControl: "cubic",
  datagrams: true,
  sendBuffering: false,
};

/** The schema of {@link QuicOptions}, for the objects that have more. */
export const quicOptions = {
  alpn: protocolNames,
  idleTimeoutMs: withDefault(integer(0, MAX_MS), defaultSettings.idleTimeoutMs),
  handshakeTimeoutMs: withDefault(integer(1, MAX_MS), defaultSettings.handshakeTimeoutMs),
  disconnectTimeoutMs: withDefault(integer(1, 600_000), defaultSettings.disconnectTimeoutMs),
  keepAliveMs: withDefault(integer(0, MAX_MS), defaultSettings.keepAliveMs),
  initialRttMs: withDefault(integer(1, 10_000), defaultSettings.initialRttMs),
  peerBidiStreams: withDefault(integer(0, 65_535), defaultSettings.peerBidiStreams),
  peerUniStreams: withDefault(integer(0, 65_535), defaultSettings.peerUniStreams),
  streamWindowBytes: withDefault(powerOfTwo(4 * KIB, 16 * MIB), defaultSettings.streamWindowBytes),
  connectionWindowBytes: withDefault(integer(4 * KIB, KIB * MIB), defaultSettings.connectionWindowBytes),
  minimumMtu: withDefault(integer(MIN_MTU, MAX_MTU), defaultSettings.minimumMtu),
  maximumMtu: withDefault(integer(MIN_MTU, MAX_MTU), defaultSettings.maximumMtu),
  congestionControl: withDefault(oneOf("cubic", "bbr"), defaultSettings.congestionControl),
  datagrams: withDefault(flag, defaultSettings.datagrams),
  highWaterMarkBytes: withDefault(integer(1, KIB * MIB), MIB),
  peerAbortsPerSecond: withDefault(integer(0, 1_000_000), 200),
  sendBuffering: withDefault(flag, defaultSettings.sendBuffering),
} satisfies Record<keyof QuicOptions, unknown>;

/** Options with every default filled in. */
export type ReadQuicOptions = Complete<QuicOptions>;

/**
 * What msquic is told.
 * @throws InvalidArgumentError where two options contradict each other.
 */
export function configurationSettings(options: ReadQuicOptions): ConfigurationSettings {
  const { idleTimeoutMs, keepAliveMs, minimumMtu, maximumMtu } = options;
  if (minimumMtu > maximumMtu) {
    throw new InvalidArgumentError(
      `minimumMtu must be at most maximumMtu, ${maximumMtu}, and not ${minimumMtu}`,
    );
  }
  if (idleTimeoutMs !== 0 && keepAliveMs >= idleTimeoutMs) {
    throw new InvalidArgumentError(
      `keepAliveMs must be less than idleTimeoutMs, ${idleTimeoutMs}, and not ${keepAliveMs}`,
    );
  }
  return {
    alpns: [...options.alpn],
    idleTimeoutMs,
    handshakeTimeoutMs: options.handshakeTimeoutMs,
    disconnectTimeoutMs: options.disconnectTimeoutMs,
    keepAliveMs,
    initialRttMs: options.initialRttMs,
    peerBidiStreams: options.peerBidiStreams,
    peerUniStreams: options.peerUniStreams,
    streamWindowBytes: options.streamWindowBytes,
    connectionWindowBytes: options.connectionWindowBytes,
    minimumMtu,
    maximumMtu,
    congestionControl: options.congestionControl,
    datagrams: options.datagrams,
    sendBuffering: options.sendBuffering,
  };
}

/** What our own engine is told. */
export function rawConnectionOptions(
  { connectionWindowBytes, highWaterMarkBytes, peerAbortsPerSecond }: ReadQuicOptions,
  authenticates: boolean,
  wantsTickets: boolean,
): NativeConnectionOptions {
  return {
    framed: false,
    authenticates,
    maxFrameBytes: 0,
    highWaterMarkBytes,
    // What this thread takes off the windows comes on top of them, so it is no more than the larger one.
    receiveCreditBytes: Math.min(RECEIVE_CREDIT_BYTES, connectionWindowBytes),
    laneIdleMs: 0,
    frameTimeoutMs: 0,
    peerAbortsPerSecond,
    wantsTickets,
  };
}
