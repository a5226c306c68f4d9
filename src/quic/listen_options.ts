import { readOptions } from "../options/read.js";
import { flag, integer, isObject, object, option, withDefault } from "../options/schema.js";
import type { ServerTlsOptions } from "../transport/tls.js";
import { type QuicOptions, quicOptions } from "./settings.js";

/** Options of a raw QUIC listener. */
export interface QuicListenOptions extends QuicOptions {
  /** A name or address of this machine; `0.0.0.0` or `::` for all. */
  readonly host: string;
  /** 1..65535, or 0 for a free port. */
  readonly port: number;
  readonly tls: ServerTlsOptions;
  /** Other threads of this process may listen here too; connections go to the thread with the fewest. Default false. */
  readonly shared?: boolean;
}

const schema = object({
  ...quicOptions,
  host: option<string>("a name or an address", (value) => typeof value === "string" && value !== ""),
  port: integer(0, 65_535),
  tls: option<ServerTlsOptions>("an object {certificate, privateKey}", isObject),
  shared: withDefault(flag, false),
} satisfies Record<keyof QuicListenOptions, unknown>);

/** @throws InvalidArgumentError */
export function readListenOptions(options: QuicListenOptions): Required<QuicListenOptions> {
  return readOptions(schema, options);
}
