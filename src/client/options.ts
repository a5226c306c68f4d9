import { halfOptions } from "../delivery/half_options.js";
import { maxTokenBytes } from "../delivery/hello.js";
import { metaEntries } from "../delivery/meta.js";
import type { MetaEntry } from "../frame/frame.js";
import { type Codec, isCodec } from "../frame/message_codec.js";
import type { Complete } from "../options/complete.js";
import { readOptions } from "../options/read.js";
import { integer, listOf, object, option, optional, withDefault } from "../options/schema.js";
import { utf8Length } from "../options/utf8_length.js";
import { connectorOptions } from "../transport/options.js";
import type { ClientTlsOptions } from "../transport/tls.js";
import { isTransport, type Transport } from "../transport/transport.js";

/** How a client begins and keeps its session. */
export interface ClientOptions {
  /** By what the application's server is to address this client; at most 256 bytes. */
  readonly clientId?: string | undefined;
  /** What `authenticate` is shown; text as UTF-8, at most 8 KiB. */
  readonly token?: string | Uint8Array | undefined;
  /** What the hello says beside. */
  readonly meta?: readonly MetaEntry[] | undefined;
  readonly tls?: ClientTlsOptions | undefined;
  readonly codecs?: readonly Codec[] | undefined;
  readonly transports?: readonly Transport[] | undefined;
  /** How long it may take until the session has begun, or goes on; 10,000 by default. */
  readonly connectTimeoutMs?: number | undefined;
  /** Gives up connecting. */
  readonly signal?: AbortSignal | undefined;
  /** How often the server is to hear of this client, 1,000..3,600,000; 15,000 by default. */
  readonly heartbeatMs?: number | undefined;
  /** The largest message, either way; 1 MiB by default. */
  readonly maxMessageBytes?: number | undefined;
  /** What the server may have sent that is not handled yet; 1 MiB by default. */
  readonly windowBytes?: number | undefined;
  /** What is kept of what the server has not acknowledged; 1 MiB by default. */
  readonly replayBytes?: number | undefined;
  /** The queue from which on `send` answers `blocked`; 256 KiB by default. */
  readonly highWaterMarkBytes?: number | undefined;
  /** The largest queue; 1 MiB by default. A message that finds it full is `dropped`. */
  readonly queueBytes?: number | undefined;
  /** How long a request waits for its answer, where it does not say; 30,000 by default. */
  readonly requestTimeoutMs?: number | undefined;
  /** Messages that may wait to be acknowledged (`sendAcked`), 1..10,000,000; 1,000 by default. */
  readonly maxAwaitedAcks?: number | undefined;
  /** Requests that may wait for answers; 10,000 by default. */
  readonly maxPendingRequests?: number | undefined;
}

const schema = object({
  clientId: optional(option<string>("text", (value) => typeof value === "string")),
  token: withDefault(
    option<string | Uint8Array>(`text or bytes, at most ${maxTokenBytes}`, isToken),
    "" as string | Uint8Array,
  ),
  meta: withDefault(metaEntries, []),
  ...connectorOptions,
  codecs: optional(listOf<Codec>("a list of at least one Codec object", 1, isCodec)),
  transports: optional(listOf<Transport>("a list of Transport objects", 0, isTransport)),
  connectTimeoutMs: withDefault(integer(1, 3_600_000), 10_000),
  heartbeatMs: withDefault(integer(1_000, 3_600_000), 15_000),
  ...halfOptions,
  maxPendingRequests: withDefault(integer(1, 10_000_000), 10_000),
} satisfies Record<keyof ClientOptions, unknown>);

type Optional = "clientId" | "tls" | "signal" | "codecs" | "transports";

export type ReadClientOptions = Complete<Omit<ClientOptions, Optional>> & Pick<ClientOptions, Optional>;

/** @throws InvalidArgumentError */
export function readClientOptions(options: ClientOptions): ReadClientOptions {
  return readOptions(schema, options);
}

function isToken(value: unknown): boolean {
  if (typeof value === "string") return utf8Length(value) <= maxTokenBytes;
  return value instanceof Uint8Array && value.length <= maxTokenBytes;
}
