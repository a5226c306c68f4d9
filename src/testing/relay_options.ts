import { readOptions } from "../options/read.js";
import {
  flag,
  integer,
  object,
  objectWith,
  oneOf,
  option,
  optional,
  withDefault,
} from "../options/schema.js";
import { type RelayFaults, relayFaultOptions } from "./faults.js";
import type { Direction } from "./ways.js";

/** A name or numeric address, and a port: a listener's `address` is one. */
export interface RelayEndpoint {
  readonly address: string;
  readonly port: number;
}

/** Options of a relay. */
export interface RelayOptions extends RelayFaults {
  /** The server. */
  readonly target: RelayEndpoint;
  /** Where clients connect; port 0 of 127.0.0.1 by default, or of ::1 where the target is an IPv6 address. */
  readonly listen?: Partial<RelayEndpoint> | undefined;
  /** An address of this machine from which the server sees the clients come. By default the system chooses. */
  readonly sourceAddress?: string | undefined;
  /** The same seed and the same datagrams give the same losses: an integer, 1 by default. */
  readonly seed?: number | undefined;
  /** Keeps every datagram that comes in, up to `maxRecordedBytes`. Default false. */
  readonly record?: boolean | undefined;
  /** 64 MiB by default. */
  readonly maxRecordedBytes?: number | undefined;
  /** How many clients may pass at once, each a socket; datagrams of more are dropped. 1,000 by default. */
  readonly maxClients?: number | undefined;
}

/** Options with every default filled in. */
export interface ReadRelayOptions extends RelayFaults {
  readonly target: RelayEndpoint;
  readonly listen?: { readonly address?: string | undefined; readonly port: number } | undefined;
  readonly sourceAddress?: string | undefined;
  readonly seed: number;
  readonly record: boolean;
  readonly maxRecordedBytes: number;
  readonly maxClients: number;
}

const MAX_SEED = 2 ** 32 - 1;
const MIB = 1024 * 1024;
const address = option<string>("a name or an address", (value) => typeof value === "string" && value !== "");

const target = objectWith({ address, port: integer(1, 65_535) }); // of a SocketAddress, which has a family too

/** What relays of datagrams and of streams have alike. */
export const endpointOptions = {
  target,
  listen: optional(objectWith({ address: optional(address), port: withDefault(integer(0, 65_535), 0) })),
  sourceAddress: optional(address),
  seed: withDefault(integer(0, MAX_SEED), 1),
};

const schema = object({
  ...relayFaultOptions,
  ...endpointOptions,
  record: withDefault(flag, false),
  maxRecordedBytes: withDefault(integer(0, Number.MAX_SAFE_INTEGER), 64 * MIB),
  maxClients: withDefault(integer(1, 60_000), 1_000),
} satisfies Record<keyof RelayOptions, unknown>);

const rebindSchema = object({ address: optional(address) });
const directionSchema = optional(oneOf("toServer", "toClient"));

/** @throws InvalidArgumentError; so do all of these. */
export function readRelayOptions(options: RelayOptions): ReadRelayOptions {
  return readOptions(schema, options);
}

export function readRebind(options: { readonly address?: string | undefined }): {
  address?: string | undefined;
} {
  return readOptions(rebindSchema, options);
}

export function readTarget(given: RelayEndpoint): RelayEndpoint {
  return readOptions(target, given, "target", "target.");
}

/** One direction, or both where none is named. */
export function readDirection(direction: Direction | undefined): readonly Direction[] {
  const read = readOptions(directionSchema, direction, "direction");
  return read === undefined ? ["toServer", "toClient"] : [read];
}
