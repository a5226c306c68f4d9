import type { NativeAdmissionLimits } from "../../native/environment.js";
import { readOptions } from "../../options/read.js";
import { flag, integer, isObject, object, option, optional, withDefault } from "../../options/schema.js";
import type { ServerTlsOptions } from "../../transport/tls.js";
import { type WaitOptions, waitOptions } from "../../transport/wait.js";
import {
  type ReadServerResumption,
  type ServerResumptionOptions,
  serverResumptionOption,
} from "../resumption/server_resumption.js";
import { type QuicOptions, quicOptions, type ReadQuicOptions } from "./settings.js";

/** Options of a raw QUIC listener. Its `signal` and `timeoutMs` bound the wait for the port, and nothing later. */
export interface QuicListenOptions extends QuicOptions, WaitOptions {
  /** A name or address of this machine; `0.0.0.0` for all of IPv4, `::` for all of both families. */
  readonly host: string;
  /** 1..65535, or 0 for a free port. */
  readonly port: number;
  readonly tls: ServerTlsOptions;
  /**
   * Other threads of this process may listen here too; connections go to the thread with the fewest. Default false.
   * They need the same options, `tls` as it is since the last `updateTls`, and `authenticate` in all behaviours or in
   * none; else AddressInUseError. Limits, tickets and their keys are common to all: the `ticketKeys` of the first
   * thread hold until `setTicketKeys`. The behaviour, `highWaterMarkBytes` and `peerAbortsPerSecond` are each thread's
   * own.
   */
  readonly shared?: boolean | undefined;
  /** How many connections the listener has at most, handshakes included; further ones are refused. No limit by default. */
  readonly maxConnections?: number | undefined;
  /**
   * The same for each source address: an IPv4 address, in whatever form it comes, or the first 64 bits of an IPv6
   * address. A connection counts for the address it came from, also when it moves. No limit by default: many users
   * may be behind one address. Sources can be forged until they are validated: see `retry` of `configureEngine`.
   */
  readonly maxConnectionsPerAddress?: number | undefined;
  /** How many handshakes each source address may have in progress. No limit by default. */
  readonly maxHandshakesPerAddress?: number | undefined;
  /** Lets clients resume their session; off by default. */
  readonly resumption?: ServerResumptionOptions | undefined;
}

const limit = integer(1, 0x7fff_ffff);

const schema = object({
  ...quicOptions,
  host: option<string>("a name or an address", (value) => typeof value === "string" && value !== ""),
  port: integer(0, 65_535),
  tls: option<ServerTlsOptions>("an object of TLS options", isObject),
  shared: withDefault(flag, false),
  maxConnections: optional(limit),
  maxConnectionsPerAddress: optional(limit),
  maxHandshakesPerAddress: optional(limit),
  resumption: serverResumptionOption,
  ...waitOptions,
} satisfies Record<keyof QuicListenOptions, unknown>);

/** Options with every default filled in. */
export interface ReadListenOptions extends ReadQuicOptions, NativeAdmissionLimits, WaitOptions {
  readonly host: string;
  readonly port: number;
  readonly tls: ServerTlsOptions;
  readonly shared: boolean;
  readonly resumption?: ReadServerResumption | undefined;
}

/** @throws InvalidArgumentError */
export function readListenOptions(options: QuicListenOptions): ReadListenOptions {
  return readOptions(schema, options);
}
