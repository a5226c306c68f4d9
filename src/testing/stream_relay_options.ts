import { readOptions } from "../options/read.js";
import { integer, object, withDefault } from "../options/schema.js";
import { endpointOptions, type RelayEndpoint } from "./relay_options.js";
import { type StreamRelayFaults, streamFaultOptions } from "./stream_faults.js";

/** Options of a relay of streams. */
export interface StreamRelayOptions extends StreamRelayFaults {
  /** The server. */
  readonly target: RelayEndpoint;
  /** Where clients connect; port 0 of 127.0.0.1 by default, or of ::1 where the target is an IPv6 address. */
  readonly listen?: Partial<RelayEndpoint> | undefined;
  /** An address of this machine from which the server sees the clients come. By default the system chooses. */
  readonly sourceAddress?: string | undefined;
  /** The same seed and the same pieces give the same jitter: an integer, 1 by default. */
  readonly seed?: number | undefined;
  /** How many clients may pass at once; more are reset. 1,000 by default. */
  readonly maxClients?: number | undefined;
}

const schema = object({
  ...streamFaultOptions,
  ...endpointOptions,
  maxClients: withDefault(integer(1, 60_000), 1_000),
} satisfies Record<keyof StreamRelayOptions, unknown>);

/** @throws InvalidArgumentError */
export function readStreamRelayOptions(options: StreamRelayOptions) {
  return readOptions(schema, options);
}

/** {@link StreamRelayOptions} with every default filled in. */
export type ReadStreamRelayOptions = ReturnType<typeof readStreamRelayOptions>;
