import { abortSignal, integer, isObject, option, optional, withDefault } from "../options/schema.js";
import type { ClientTlsOptions } from "./tls.js";
import type { TransportOptions } from "./transport.js";

const MIB = 1024 * 1024;
const MAX_IDLE_MS = 86_400_000;
const MAX_HANDSHAKE_MS = 3_600_000;

/** How the options are read that every transport takes, with the defaults of all. */
export const limitOptions = {
  highWaterMarkBytes: withDefault(integer(1, 1024 * MIB), MIB),
  idleTimeoutMs: withDefault(integer(0, MAX_IDLE_MS), 30_000),
  handshakeTimeoutMs: withDefault(integer(1, MAX_HANDSHAKE_MS), 10_000),
} satisfies Partial<Record<keyof TransportOptions, unknown>>;

/** How those are read that only one who connects has. */
export const connectorOptions = {
  tls: optional(option<ClientTlsOptions>("an object of TLS options", isObject)),
  signal: optional(abortSignal),
};
