import { type Compression, compressionOption } from "../delivery/compression.js";
import { halfOptions, queuePolicy } from "../delivery/half_options.js";
import type { QueuePolicy } from "../delivery/outgoing.js";
import { isStore, type Store } from "../delivery/store.js";
import { type DispatcherOptions, readDispatcherOptions } from "../dispatch/options.js";
import { InvalidArgumentError } from "../errors.js";
import { type Codec, isCodec } from "../frame/message_codec.js";
import { Rate } from "../limit/token_bucket.js";
import type { Complete } from "../options/complete.js";
import { readOptions } from "../options/read.js";
import {
  flag,
  integer,
  isListOf,
  isObject,
  listOf,
  number,
  object,
  oneOf,
  option,
  optional,
  withDefault,
  withItems,
} from "../options/schema.js";
import type { TopicsOptions } from "../topic/options.js";
import type { HttpHandler } from "../transport/http.js";
import { listenerOptions } from "../transport/listener_options.js";
import type { ServerTlsOptions } from "../transport/tls.js";
import { isTransport, type Transport } from "../transport/transport.js";
import type { Middleware } from "./middleware.js";
import { type NodeOptions, readNodeOptions } from "./node.js";
import type { Plugin } from "./plugin.js";
import type { SameClientPolicy } from "./registry.js";

const DAY_MS = 86_400_000;

/** How a server notices clients that are gone. */
export interface HeartbeatOptions {
  /** How often a client is to be heard of, where it asks for no other, 1,000..3,600,000; 15,000 by default. */
  readonly intervalMs?: number | undefined;
  /** After how long without a sign of life a connection is given up; three intervals by default. */
  readonly timeoutMs?: number | undefined;
}

/**
 * What a server bears. What is left out is not limited, but where a default is named. How fast a session may send is for
 * the middleware `rateLimit` to say.
 */
export interface LimitOptions {
  /** Sessions of one address, IPv6 by its /64, detached ones too. */
  readonly sessionsPerAddress?: number | undefined;
  /** New connections a second of one address. */
  readonly connectionsPerSecondPerAddress?: number | undefined;
  /** New connections a second of all. */
  readonly connectionsPerSecond?: number | undefined;
  /** Connections that have not begun a session yet; 10,000 by default. Beyond, the newest are refused. */
  readonly unauthenticated?: number | undefined;
  /**
   * Bytes that all sessions of this thread may hold together which cannot go on: what waits, and what is kept of those that
   * are slow or have no connection; 256 MiB by default. Beyond, those that hold most drop what waits where `queuePolicy` is
   * `drop-oldest`, and are else closed with `CloseCode.exhausted`.
   */
  readonly queueBytes?: number | undefined;
}

/** What is remembered of each session's message ids: what comes again under one is not done again. */
export interface MessageIdOptions {
  /** The ids that are remembered, 1..1,000,000; 1,000 by default. The oldest are forgotten. */
  readonly maxIds?: number | undefined;
  /** How long one is remembered; 120,000 by default. */
  readonly maxAgeMs?: number | undefined;
  /** What is kept of the answers to requests that have ids, all together; 64 KiB by default. */
  readonly maxAnswerBytes?: number | undefined;
}

/** What a server listens on, whom it takes, and what each session may cost. */
// biome-ignore lint/suspicious/noExplicitAny: options say nothing of the data, but in what is given the sessions
export interface ServerOptions<Data = any> {
  /** `quic://host:port`, `ws://…`, `wss://…`, `tcp://…`, `tls://…` or a scheme of `transports`: one or many. */
  readonly listen: string | readonly string[];
  /** Required by `quic`, `wss` and `tls`. */
  readonly tls?: ServerTlsOptions | undefined;
  /** Answers plain HTTP requests on WebSocket's ports. */
  readonly http?: HttpHandler | undefined;
  /** Of WebSocket: the pages that may connect, such as `https://example.com`; any by default. */
  readonly origins?: readonly string[] | undefined;
  /** Of WebSocket: whether clients may connect that name no origin, which are no browsers; true by default. */
  readonly allowMissingOrigin?: boolean | undefined;
  /**
   * Of WebSocket: whether messages of 1 KiB and more are compressed (permessage-deflate, RFC 7692) where the client offers
   * it, as browsers do; false by default. `compression` compresses over every transport, and knows dictionaries.
   */
  readonly permessageDeflate?: boolean | undefined;
  /** How frames are written, the most wanted first; `[frameCodec]` by default. */
  readonly codecs?: readonly Codec[] | undefined;
  /** Transports beside those that are built in. */
  readonly transports?: readonly Transport[] | undefined;
  /**
   * What messages may be compressed with, of `millrace/compression`, the most wanted first: each session uses the first that
   * its client has, too. None by default, and then nothing is compressed.
   */
  readonly compression?: readonly Compression[] | undefined;
  /** How many sessions there may be, 2..1,048,576; 65,536 by default. */
  readonly maxSessions?: number | undefined;
  /** The largest message, either way; 1 MiB by default, and 64 KiB is what we recommend. */
  readonly maxMessageBytes?: number | undefined;
  /** A connection that has not begun a session after so long is refused; 5,000 by default. */
  readonly authenticateTimeoutMs?: number | undefined;
  /** How long a session without a connection waits to be taken up again; 120,000 by default, 0: not at all. */
  readonly resumeWindowMs?: number | undefined;
  /** What is kept of what a session's client has not acknowledged, to be sent again; 1 MiB by default. */
  readonly replayBytes?: number | undefined;
  /** What a client may have sent that is not handled yet: its credit; 1 MiB by default. */
  readonly windowBytes?: number | undefined;
  /** A session's queue from which on `send` answers `blocked`; 256 KiB by default. */
  readonly highWaterMarkBytes?: number | undefined;
  /** A session's largest queue; 1 MiB by default. */
  readonly queueBytes?: number | undefined;
  /** What becomes of a message that finds it full; `block` by default: `send` answers `dropped`. */
  readonly queuePolicy?: QueuePolicy | undefined;
  readonly heartbeat?: HeartbeatOptions | undefined;
  /** A session of which nothing was heard for so long is closed, a live one too; 0 by default: never. */
  readonly idleTimeoutMs?: number | undefined;
  /**
   * When a client id connects that has a session already: `replace` (the default) ends the old one, `reject` refuses the
   * new one, `allow` has both.
   */
  readonly sameClient?: SameClientPolicy | undefined;
  /** Requests of this server that may wait for answers, of all sessions together; 50,000 by default. */
  readonly maxPendingRequests?: number | undefined;
  /** How long a request waits for its answer, where it does not say; 30,000 by default. */
  readonly requestTimeoutMs?: number | undefined;
  /**
   * Messages of one session that may wait to be acknowledged (`sendAcked`), 1..10,000,000; 1,000 by default. Beyond,
   * `sendAcked` rejects with ResourceExhaustedError.
   */
  readonly maxAwaitedAcks?: number | undefined;
  /** What is remembered of the message ids that a session's client gives. */
  readonly messageIds?: MessageIdOptions | undefined;
  /**
   * Where the messages go whose clients wait for more than that they are received. Without one nothing can be `stored`,
   * and who asks for that is told so at once.
   */
  readonly store?: Store | undefined;
  /** A store that has not taken a message after so long has not taken it at all; 5,000 by default. */
  readonly storeTimeoutMs?: number | undefined;
  /** What the store has been given and has not taken yet, of all sessions; 64 MiB by default. Beyond, it is given no more. */
  readonly storeQueueBytes?: number | undefined;
  /** How asynchronous handlers are run. */
  readonly dispatcher?: DispatcherOptions | undefined;
  readonly limits?: LimitOptions | undefined;
  /** The caps of topics, and what is kept of them. */
  readonly topics?: TopicsOptions | undefined;
  /** Where several servers take each other's resume tokens: which of them this is. Without it, it takes its own alone. */
  readonly node?: NodeOptions | undefined;
  /**
   * QUIC: takes what a client that was here before sends with its first packets (0-RTT), so that it is welcomed a round
   * trip earlier; see `earlyRequests` and `earlyEvents` of `ServerBehaviour` for what it may say with them. False by
   * default. It excludes `tls.clientCertificate`: who resumes shows no certificate.
   */
  readonly earlyData?: boolean | undefined;
  /** The outermost first. */
  readonly middleware?: readonly Middleware<Data>[] | undefined;
  readonly plugins?: readonly Plugin<Data>[] | undefined;
}

const milliseconds = (min: number) => integer(min, DAY_MS);
const perSecond = optional(number(0.001, 1e9));

const heartbeat = object({
  intervalMs: withDefault(integer(1_000, 3_600_000), 15_000),
  timeoutMs: optional(milliseconds(1_000)),
} satisfies Record<keyof HeartbeatOptions, unknown>);

const messageIds = object({
  maxIds: withDefault(integer(1, 1_000_000), 1_000),
  maxAgeMs: withDefault(milliseconds(1), 120_000),
  maxAnswerBytes: withDefault(integer(0, 2 ** 30), 64 * 1024),
} satisfies Record<keyof MessageIdOptions, unknown>);

const limits = object({
  sessionsPerAddress: optional(integer(1, 2 ** 31)),
  connectionsPerSecondPerAddress: perSecond,
  connectionsPerSecond: perSecond,
  unauthenticated: withDefault(integer(1, 2 ** 20), 10_000),
  queueBytes: withDefault(integer(1, 2 ** 50), 256 * 1024 * 1024),
} satisfies Record<keyof LimitOptions, unknown>);

const schema = object({
  listen: withItems(
    option<string | readonly string[]>(
      "a URL, or a list of at least one",
      (value) => isText(value) || (isListOf(value, isText) && value.length > 0),
    ),
    isText,
  ),
  tls: listenerOptions.tls,
  http: listenerOptions.http,
  origins: listenerOptions.origins,
  allowMissingOrigin: listenerOptions.allowMissingOrigin,
  permessageDeflate: listenerOptions.permessageDeflate,
  codecs: optional(listOf<Codec>("a list of at least one Codec object", 1, isCodec)),
  transports: optional(listOf<Transport>("a list of Transport objects", 0, isTransport)),
  compression: compressionOption,
  maxSessions: withDefault(integer(2, 2 ** 20), 65_536),
  authenticateTimeoutMs: withDefault(milliseconds(100), 5_000),
  resumeWindowMs: withDefault(milliseconds(0), 120_000),
  ...halfOptions,
  queuePolicy,
  heartbeat: optional(heartbeat),
  idleTimeoutMs: withDefault(milliseconds(0), 0),
  sameClient: withDefault(oneOf("allow", "replace", "reject"), "replace"),
  maxPendingRequests: withDefault(integer(1, 10_000_000), 50_000),
  messageIds: optional(messageIds),
  store: optional(option<Store>("a Store: durability, and append", isStore)),
  storeTimeoutMs: withDefault(milliseconds(1), 5_000),
  storeQueueBytes: withDefault(integer(1, 2 ** 40), 64 * 1024 * 1024),
  dispatcher: optional(option<DispatcherOptions>("an object of dispatcher options", isObject)),
  limits: optional(limits),
  topics: optional(option<TopicsOptions>("an object of topics options", isObject)),
  node: optional(option<NodeOptions>("an object of node options", isObject)),
  earlyData: withDefault(flag, false),
  middleware: withDefault(listOf<Middleware>("a list of Middleware objects", 0, isNamed), []),
  plugins: withDefault(listOf<Plugin>("a list of Plugin objects", 0, isNamed), []),
} satisfies Record<keyof ServerOptions, unknown>);

/** Those that may be left out for good. */
type Optional =
  | "node"
  | "tls"
  | "http"
  | "origins"
  | "allowMissingOrigin"
  | "permessageDeflate"
  | "codecs"
  | "transports"
  | "topics"
  | "store";

/** Those that are read further. */
type Parts = "heartbeat" | "limits" | "dispatcher" | "messageIds";

/** What a server keeps of its options. */
export type ReadServerOptions<Data> = Pick<ServerOptions<Data>, Optional> &
  Complete<Omit<ServerOptions<Data>, Optional | Parts>> & {
    readonly heartbeat: Complete<HeartbeatOptions>;
    readonly limits: ReadLimits;
    readonly messageIds: Complete<MessageIdOptions>;
    readonly dispatcher: Complete<DispatcherOptions>;
  };

/** {@link LimitOptions}, as what enforces them takes them. */
export interface ReadLimits {
  readonly sessionsPerAddress: number | undefined;
  readonly connectionRatePerAddress: Rate | undefined;
  readonly connectionRate: Rate | undefined;
  readonly unauthenticated: number;
  readonly queueBytes: number;
}

/** The names of {@link ServerOptions}. */
export const serverOptionNames: ReadonlySet<string> = new Set(Object.keys(schema.entries));

/** @throws InvalidArgumentError naming the option and what it allows */
export function readServerOptions<Data>(given: ServerOptions<Data>): ReadServerOptions<Data> {
  const read = readOptions(schema, given);
  if (read.earlyData) checkEarlyData(read);
  const { intervalMs, timeoutMs = 3 * intervalMs } = read.heartbeat ?? readOptions(heartbeat, {});
  return {
    ...read,
    node: read.node && readNodeOptions(read.node),
    middleware: read.middleware as readonly Middleware<Data>[],
    plugins: read.plugins as readonly Plugin<Data>[],
    heartbeat: { intervalMs, timeoutMs: Math.max(timeoutMs, intervalMs) },
    limits: readLimits(read.limits),
    messageIds: read.messageIds ?? readOptions(messageIds, {}),
    dispatcher: readDispatcherOptions(read.dispatcher ?? {}, "dispatcher"),
  };
}

/** @throws InvalidArgumentError where there can be none */
function checkEarlyData({
  listen,
  transports,
  tls,
}: Pick<ServerOptions, "listen" | "transports" | "tls">): void {
  if (transports === undefined && ![listen].flat().some((url) => /^quic:/i.test(url))) {
    throw new InvalidArgumentError("earlyData is QUIC's: listen on a quic:// URL, too, or leave it out");
  }
  if ((tls?.clientCertificate ?? "none") !== "none") {
    throw new InvalidArgumentError(
      "earlyData and tls.clientCertificate exclude each other: who resumes shows no certificate",
    );
  }
}

/** @throws InvalidArgumentError */
function readLimits(given: LimitOptions = {}): ReadLimits {
  const read = readOptions(limits, given, "limits", "limits.");
  return {
    sessionsPerAddress: read.sessionsPerAddress,
    connectionRatePerAddress: rate(read.connectionsPerSecondPerAddress),
    connectionRate: rate(read.connectionsPerSecond),
    unauthenticated: read.unauthenticated,
    queueBytes: read.queueBytes,
  };
}

function rate(perSecond: number | undefined): Rate | undefined {
  return perSecond === undefined ? undefined : new Rate(perSecond);
}

function isText(value: unknown): boolean {
  return typeof value === "string";
}

function isNamed(value: unknown): boolean {
  return isObject(value) && typeof (value as { name?: unknown }).name === "string";
}
