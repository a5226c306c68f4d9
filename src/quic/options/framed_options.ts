import { InvalidArgumentError } from "../../errors.js";
import { MAX_RECORD_BYTES } from "../../native/engine.js";
import type { NativeConnectionOptions } from "../../native/environment.js";
import type { TransportOptions } from "../../transport/transport.js";
import type { ConfigurationSettings } from "../configuration.js";
import { defaultSettings } from "./settings.js";

/** What a framed connection keeps of its options; one object for all connections of a listener. */
export type FramedOptions = NativeConnectionOptions;

/** An unused lane's stream costs 7 KB; opening another one is cheap. */
const LANE_IDLE_MS = 250;
const FRAME_TIMEOUT_MS = 30_000;
const RECEIVE_CREDIT_BYTES = 256 * 1024;
/** How many lane streams a peer may have open at once: a few lanes, each with a predecessor. */
const PEER_LANE_STREAMS = 32;
const STREAM_WINDOW_BYTES = 256 * 1024;
const CONNECTION_WINDOW_BYTES = 2 * 1024 * 1024;
/** Below what the usual NAT forgets, and below half of the idle timeout. */
const MAX_KEEP_ALIVE_MS = 15_000;

/**
 * @param wantsTickets where sessions of TLS are resumed.
 * @throws InvalidArgumentError when frames of that size do not fit the engine's ring.
 */
export function framedOptions(options: TransportOptions, wantsTickets = false): FramedOptions {
  if (options.maxFrameBytes > MAX_RECORD_BYTES) {
    throw new InvalidArgumentError(
      `QUIC carries frames of at most ${MAX_RECORD_BYTES} bytes; lower the message limit, or send in pieces`,
    );
  }
  return {
    framed: true,
    authenticates: false,
    maxFrameBytes: options.maxFrameBytes,
    highWaterMarkBytes: options.highWaterMarkBytes,
    receiveCreditBytes: RECEIVE_CREDIT_BYTES,
    laneIdleMs: LANE_IDLE_MS,
    frameTimeoutMs: options.frameTimeoutMs ?? FRAME_TIMEOUT_MS,
    peerAbortsPerSecond: 0, // one is too many already
    wantsTickets,
  };
}

/** Settings of a framed connection. The client keeps the connection, and the NAT's memory of it, alive. */
export function framedSettings(options: TransportOptions, side: "server" | "client"): ConfigurationSettings {
  const keepAliveMs = Math.min(MAX_KEEP_ALIVE_MS, Math.floor(options.idleTimeoutMs / 2));
  return {
    ...defaultSettings,
    alpns: options.protocols,
    idleTimeoutMs: options.idleTimeoutMs,
    handshakeTimeoutMs: options.handshakeTimeoutMs,
    keepAliveMs: side === "client" ? keepAliveMs : 0,
    peerBidiStreams: 0,
    peerUniStreams: PEER_LANE_STREAMS,
    streamWindowBytes: STREAM_WINDOW_BYTES,
    connectionWindowBytes: CONNECTION_WINDOW_BYTES,
    datagrams: true,
  };
}
