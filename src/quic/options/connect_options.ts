import { InvalidArgumentError } from "../../errors.js";
import { readOptions, show } from "../../options/read.js";
import { abortSignal, isObject, object, oneOf, option, optional, withDefault } from "../../options/schema.js";
import { parseTransportUrl } from "../../transport/address.js";
import type { ClientTlsOptions } from "../../transport/tls.js";
import {
  type ClientResumptionOptions,
  clientResumptionOption,
  type ReadClientResumption,
} from "../resumption/client_resumption.js";
import { type QuicOptions, quicOptions, type ReadQuicOptions } from "./settings.js";

/** Options of a raw QUIC connection that we open. */
export interface QuicConnectOptions extends QuicOptions {
  readonly tls?: ClientTlsOptions | undefined;
  /**
   * `own`, the default, is a UDP socket for each connection: four file descriptors and a port each. With `shared` the
   * connections of this process to one server share a few, eight at most, so that many thousands fit into a process;
   * they share the socket's receive buffer too.
   */
  readonly socket?: "own" | "shared" | undefined;
  /** Gives up connecting; an open connection it leaves alone. */
  readonly signal?: AbortSignal | undefined;
  /** Resumes the session of an earlier connection; off by default. */
  readonly resumption?: ClientResumptionOptions | undefined;
}

const schema = object({
  ...quicOptions,
  tls: optional(option<ClientTlsOptions>("an object of TLS options", isObject)),
  socket: withDefault(oneOf("own", "shared"), "own"),
  signal: optional(abortSignal),
  resumption: clientResumptionOption,
} satisfies Record<keyof QuicConnectOptions, unknown>);

export interface ReadConnectOptions extends ReadQuicOptions {
  readonly tls?: ClientTlsOptions | undefined;
  readonly socket: "own" | "shared";
  readonly signal?: AbortSignal | undefined;
  readonly resumption?: ReadClientResumption | undefined;
}

/** @throws InvalidArgumentError */
export function readConnectOptions(options: QuicConnectOptions): ReadConnectOptions {
  return readOptions(schema, options);
}

/** @throws InvalidArgumentError when it is not `quic://host:port`. */
export function readUrl(url: string | URL): { host: string; port: number } {
  if (typeof url !== "string" && !(url instanceof URL)) {
    throw new InvalidArgumentError(
      `url must be a string or URL like quic://localhost:4433, and not ${show(url)}`,
    );
  }
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
