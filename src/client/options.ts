import { type Compression, compressionOption } from "../delivery/compression.js";
import { halfOptions, queuePolicy } from "../delivery/half_options.js";
import { metaEntries } from "../delivery/meta.js";
import type { QueuePolicy } from "../delivery/outgoing.js";
import { retries, retryDelayMs } from "../delivery/send_options.js";
import { InvalidArgumentError } from "../errors.js";
import type { MetaEntry } from "../frame/frame.js";
import { type Codec, isCodec } from "../frame/message_codec.js";
import type { Complete } from "../options/complete.js";
import { readOptions } from "../options/read.js";
import {
  flag,
  integer,
  isFunction,
  isObject,
  listOf,
  type Option,
  object,
  option,
  optional,
  withDefault,
} from "../options/schema.js";
import type { EarlyDataOptions } from "../transport/early_data.js";
import { connectorOptions } from "../transport/options.js";
import type { ClientTlsOptions } from "../transport/tls.js";
import { isTransport, type Transport } from "../transport/transport.js";
import { type BackoffOptions, backoffEntries } from "./backoff.js";
import { isNetworkStore, type NetworkStore } from "./network_memory.js";
import type { ProbeOptions, ReadProbeOptions, readProbe } from "./probe.js";
import type { AutoSwitchOptions, readAutoSwitch } from "./switch_policy.js";
import { isToken, type TokenSource, tokenWords } from "./token.js";

/** How a client comes back: see {@link BackoffOptions}. */
export interface ReconnectOptions extends BackoffOptions {
  /** Tries again, too, where the first connection fails: `connect` then waits for that. False by default. */
  readonly initial?: boolean | undefined;
}

/** How a client begins and keeps its session. */
export interface ClientOptions {
  /** By what the application's server is to address this client; at most 256 bytes. */
  readonly clientId?: string | undefined;
  /**
   * What `authenticate` is shown; text as UTF-8, at most 8 KiB. A function is asked for it before every connection; what
   * it throws is what connecting failed of.
   */
  readonly token?: string | Uint8Array | TokenSource | undefined;
  /** What the hello says beside. */
  readonly meta?: readonly MetaEntry[] | undefined;
  readonly tls?: ClientTlsOptions | undefined;
  readonly codecs?: readonly Codec[] | undefined;
  readonly transports?: readonly Transport[] | undefined;
  /**
   * What messages may be compressed with, of `millrace/compression`. The server chooses of them; none by default, and then
   * nothing is compressed.
   */
  readonly compression?: readonly Compression[] | undefined;
  /** How long each try may take until the session has begun, or goes on; 10,000 by default. */
  readonly connectTimeoutMs?: number | undefined;
  /** Gives up connecting, and later reconnecting: the session fails. While it is connected nothing happens. */
  readonly signal?: AbortSignal | undefined;
  /** How the session comes back when its connection is lost; false leaves that to `switchTo`. */
  readonly reconnect?: false | ReconnectOptions | undefined;
  /** The transport, or the scheme, to try first; `quic` by default. */
  readonly preferredTransport?: string | undefined;
  /** How long the first of several URLs is alone before the others are tried, too, 0..60,000; 250 by default. */
  readonly headStartMs?: number | undefined;
  /**
   * The name of the network that this machine is in, where the application knows one: that UDP is blocked is remembered
   * for each. It is asked whenever the session connects; one for all by default.
   */
  readonly network?: (() => string) | undefined;
  /** Where it is remembered that UDP is blocked; in this process, for all of its sessions, by default. */
  readonly networkStore?: NetworkStore | undefined;
  /**
   * How long it is remembered that QUIC was waited for in vain: so long it gets no head start, and is tried beside the
   * others; 1..2,592,000,000, 600,000 by default.
   */
  readonly udpBlockedForMs?: number | undefined;
  /**
   * Measures all URLs before the first connection, and tries them in the order that this gives: true, or how. The figures
   * go to the behaviour's `probed`. False by default.
   */
  readonly probe?: boolean | ProbeOptions | undefined;
  /**
   * How a session with several URLs changes between them by itself: true by default, to a better one after a while, and
   * away from one that becomes slow or silent; false leaves it where it is; or how.
   */
  readonly autoSwitch?: boolean | AutoSwitchOptions | undefined;
  /**
   * QUIC: sends the hello with the first packets (0-RTT) where this client has been at the server before, which saves a
   * round trip, and with it the idempotent requests that wait then; see `ClientBehaviour.connecting`. The server has to
   * take it, too. True, or where the tickets are kept. False by default. It excludes `tls.pins`.
   */
  readonly earlyData?: boolean | EarlyDataOptions | undefined;
  /** How often the server is to hear of this client, at the least; 1,000..3,600,000, by default 15,000. */
  readonly heartbeatMs?: number | undefined;
  /** A connection is lost on which nothing came for so long; more than `heartbeatMs`, by default twice as much. */
  readonly heartbeatTimeoutMs?: number | undefined;
  /** The largest message, either way; 1 MiB by default. */
  readonly maxMessageBytes?: number | undefined;
  /** What the server may have sent that is not handled yet; 1 MiB by default. */
  readonly windowBytes?: number | undefined;
  /** What is kept of what the server has not acknowledged; 1 MiB by default. */
  readonly replayBytes?: number | undefined;
  /** The queue from which on `send` answers `blocked`; 256 KiB by default. */
  readonly highWaterMarkBytes?: number | undefined;
  /** The largest queue, with a connection and without; 1 MiB by default. */
  readonly queueBytes?: number | undefined;
  /** What becomes of a message that finds it full; `block` by default: it is `dropped`. `close` has the session fail. */
  readonly queuePolicy?: QueuePolicy | undefined;
  /**
   * How long a small message waits for others, so that they go out together, 0..10,000; 0 by default: what is sent in one
   * turn of the event loop goes together, and waits for nothing. What somebody waits for never does: acknowledgements,
   * requests, answers, `sendAcked`; nor messages with an id or a deadline, of priority `control` or `high`, or
   * `unreliable`. What waits goes before them.
   */
  readonly lingerMs?: number | undefined;
  /** As soon as so much waits, it goes, 1..65,536; 1,200 by default, about a packet. */
  readonly lingerBytes?: number | undefined;
  /** A message that was sent without a connection, and waits for so long, is not sent any more; unlimited by default. */
  readonly offlineMaxAgeMs?: number | undefined;
  /** How long a request waits for its answer, where it does not say; 30,000 by default. */
  readonly requestTimeoutMs?: number | undefined;
  /** How often an `idempotent` request is asked again that was refused for a while, where it does not say; 0 by default. */
  readonly requestRetries?: number | undefined;
  /** The longest wait before the first time, where it does not say, 1..60,000; 200 by default. */
  readonly requestRetryDelayMs?: number | undefined;
  /** Messages that may wait to be acknowledged (`sendAcked`), 1..10,000,000; 1,000 by default. */
  readonly maxAwaitedAcks?: number | undefined;
  /** Requests that may wait for answers; 10,000 by default. */
  readonly maxPendingRequests?: number | undefined;
}

/** Off, on, or how. */
function switchable<T>(): Option<boolean | T> {
  return option("true, false or an object", (value) => typeof value === "boolean" || isObject(value));
}

const schema = object({
  clientId: optional(option<string>("text", (value) => typeof value === "string")),
  token: withDefault(
    option<string | Uint8Array | TokenSource>(
      tokenWords,
      (value) => typeof value === "function" || isToken(value),
    ),
    "" as string | Uint8Array | TokenSource,
  ),
  meta: withDefault(metaEntries, []),
  ...connectorOptions,
  codecs: optional(listOf<Codec>("a list of at least one Codec object", 1, isCodec)),
  transports: optional(listOf<Transport>("a list of Transport objects", 0, isTransport)),
  compression: compressionOption,
  connectTimeoutMs: withDefault(integer(1, 3_600_000), 10_000),
  heartbeatMs: withDefault(integer(1_000, 3_600_000), 15_000),
  heartbeatTimeoutMs: optional(integer(1_001, 86_400_000)),
  reconnect: withDefault(
    option<false | ReconnectOptions>("false or an object", (value) => value === false || isObject(value)),
    {},
  ),
  preferredTransport: optional(option<string>("text", (value) => typeof value === "string")),
  headStartMs: withDefault(integer(0, 60_000), 250),
  network: optional(option<() => string>("a function", isFunction)),
  networkStore: optional(option<NetworkStore>("an object with get and set", isNetworkStore)),
  udpBlockedForMs: withDefault(integer(1, 2_592_000_000), 600_000),
  probe: withDefault(switchable<ProbeOptions>(), false),
  autoSwitch: withDefault(switchable<AutoSwitchOptions>(), true),
  earlyData: withDefault(switchable<EarlyDataOptions>(), false),
  ...halfOptions,
  queuePolicy,
  lingerMs: withDefault(integer(0, 10_000), 0),
  lingerBytes: withDefault(integer(1, 65_536), 1_200),
  offlineMaxAgeMs: optional(integer(1, 86_400_000)),
  requestRetries: withDefault(retries, 0),
  requestRetryDelayMs: withDefault(retryDelayMs, 200),
  maxPendingRequests: withDefault(integer(1, 10_000_000), 10_000),
} satisfies Record<keyof ClientOptions, unknown>);

const reconnectSchema = object({
  ...backoffEntries,
  initial: withDefault(flag, false),
} satisfies Record<keyof ReconnectOptions, unknown>);

type Optional =
  | "clientId"
  | "tls"
  | "signal"
  | "codecs"
  | "transports"
  | "preferredTransport"
  | "network"
  | "networkStore"
  | "offlineMaxAgeMs";

export type ReadClientOptions = Complete<
  Omit<ClientOptions, Optional | "reconnect" | "probe" | "autoSwitch" | "earlyData">
> &
  Pick<ClientOptions, Optional> & {
    readonly reconnect: Complete<ReconnectOptions> | undefined;
    readonly probe: ReadProbeOptions | undefined;
    readonly autoSwitch: Complete<AutoSwitchOptions> | undefined;
    readonly earlyData: EarlyDataOptions | undefined;
  };

/** The options of who can choose between transports. */
export const choiceOptions = [
  "probe",
  "autoSwitch",
  "network",
  "networkStore",
  "udpBlockedForMs",
  "earlyData",
] as const;

/** How options are read that only who can choose between transports has. */
export interface ChoiceReading {
  readonly readProbe: typeof readProbe;
  readonly readAutoSwitch: typeof readAutoSwitch;
}

/** @param choice missing where there is but one transport. @throws InvalidArgumentError */
export function readClientOptions(options: ClientOptions, choice?: ChoiceReading): ReadClientOptions {
  const { reconnect, probe, autoSwitch, earlyData, heartbeatTimeoutMs, ...read } = readOptions(
    schema,
    options,
  );
  const { heartbeatMs } = read;
  const timeoutMs = heartbeatTimeoutMs ?? 2 * heartbeatMs;
  if (timeoutMs <= heartbeatMs) {
    throw new InvalidArgumentError(
      `heartbeatTimeoutMs must be more than heartbeatMs, which is ${heartbeatMs}`,
    );
  }
  return {
    ...read,
    heartbeatTimeoutMs: timeoutMs,
    probe: probe === false ? undefined : choice?.readProbe(probe),
    earlyData: earlyData === true ? {} : earlyData || undefined,
    autoSwitch: autoSwitch === false ? undefined : choice?.readAutoSwitch(autoSwitch),
    reconnect:
      reconnect === false ? undefined : readOptions(reconnectSchema, reconnect, "reconnect", "reconnect."),
  };
}
