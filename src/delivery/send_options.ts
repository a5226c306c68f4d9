import { InvalidArgumentError } from "../errors.js";
import { Kind, type MetaEntry } from "../frame/frame.js";
import { readOptions } from "../options/read.js";
import { flag, integer, object, oneOf, option, optional, withDefault } from "../options/schema.js";
import { type WaitOptions, waitOptions } from "../transport/wait.js";
import { type AckOptions, acknowledgedLevels } from "./acknowledgement.js";
import { maxMessageIdBytes } from "./dedupe.js";
import { type Delivery, isUnsequenced, type Priority } from "./lane.js";
import { isReservedKey, withMarks } from "./marks.js";
import { metaEntries } from "./meta.js";
import type { Outgoing } from "./outgoing.js";
import { checkSubjectText, subjectText } from "./subject_text.js";

/**
 * What a message is known by, whichever way it comes: 1 to 64 bytes, or text of so many in UTF-8. What comes to a server
 * again under the same id is not handled again.
 */
export type MessageId = string | Uint8Array;

/** How a message is sent. */
export interface SendOptions {
  /** The application's message type, 0..2^32-1; 0 by default. */
  readonly type?: number | undefined;
  /** 1 to 256 characters of text. */
  readonly subject?: string | undefined;
  /** Other keys than `id` and `ack`. */
  readonly meta?: readonly MetaEntry[] | undefined;
  /** `ordered` by default. */
  readonly delivery?: Delivery | undefined;
  /** `normal` by default. */
  readonly priority?: Priority | undefined;
  /** Of `latest`: only the newest of a key is worth sending. Required by it. */
  readonly key?: string | undefined;
  /** A message that has not left this process after so long is not sent. */
  readonly deadlineMs?: number | undefined;
  /** None by default: what the application does not send twice needs none. */
  readonly messageId?: MessageId | undefined;
}

/** How a message is sent, and which acknowledgement of it is waited for. */
export interface SendAckedOptions extends SendOptions, AckOptions {}

/** How a client sends a message. */
export interface ClientSendOptions extends SendOptions {
  /**
   * Handling it twice is as good as once: with `earlyData` it may go with the first packets, where it has a `subject`, and
   * is to come no farther than `received`. It changes nothing over transports other than QUIC, in a page, and while there
   * is a connection. Of `ordered` and `unordered` messages. False by default.
   */
  readonly idempotent?: boolean | undefined;
}

/** The same, and which acknowledgement of it is waited for. */
export interface ClientSendAckedOptions extends ClientSendOptions, AckOptions {}

/** How a request is made. */
export interface RequestOptions extends WaitOptions {
  /** `normal` by default. */
  readonly priority?: Priority | undefined;
  /** Asked of a server again under the same id, it is not done again: the answer is the one that it got. None by default. */
  readonly messageId?: MessageId | undefined;
}

/** How often a request is asked again that was refused for a while. */
export interface RetryOptions {
  /**
   * So many times at the most, 0..100, within `timeoutMs`: where the other side is overloaded, took too long or is about to
   * stop, and where it says when to come again. With a `messageId` not where it
   * took too long, for that is its answer. `requestRetries` of `connect` by default; only with `idempotent`.
   */
  readonly retries?: number | undefined;
  /**
   * The longest wait before the first of them, 1..60,000; it doubles with each, and how much of it is waited for is left to
   * chance. `requestRetryDelayMs` of `connect` by default.
   */
  readonly retryDelayMs?: number | undefined;
}

/** How a client makes one. */
export interface ClientRequestOptions extends RequestOptions, RetryOptions {
  /**
   * Doing it twice is as good as once: where the server has lost the session it is asked of the new one, within its time.
   * Otherwise it has failed then, with `FailureCode.lost`. With `earlyData` it may go with the first packets. False by
   * default.
   */
  readonly idempotent?: boolean | undefined;
}

const MAX_DEADLINE_MS = 86_400_000;
const encoder = new TextEncoder();

const priority = optional(oneOf("control", "high", "normal", "bulk"));
const idempotent = optional(flag);
const messageId = optional(
  option<MessageId>(`1 to ${maxMessageIdBytes} bytes, or text of so many in UTF-8`, isMessageId),
);

const sendSchema = {
  type: withDefault(integer(0, 0xffff_ffff), 0),
  subject: optional(subjectText),
  meta: optional(metaEntries),
  delivery: optional(oneOf("ordered", "unordered", "latest", "unreliable")),
  priority,
  key: optional(
    option<string>(
      "text of 1 to 256 characters",
      (value) => typeof value === "string" && value !== "" && value.length <= 256,
    ),
  ),
  deadlineMs: optional(integer(1, MAX_DEADLINE_MS)),
  messageId,
  idempotent,
} satisfies Record<keyof ClientSendOptions, unknown>;

const sending = object(sendSchema);
const sendingAcked = object({
  ...sendSchema,
  ...waitOptions,
  level: withDefault(oneOf(...acknowledgedLevels), "received"),
} satisfies Record<keyof ClientSendAckedOptions, unknown>);
const askSchema = { ...waitOptions, priority, messageId } satisfies Record<keyof RequestOptions, unknown>;
const asking = object(askSchema);
export const retries = integer(0, 100);
export const retryDelayMs = integer(1, 60_000);
const clientAsking = object({
  ...askSchema,
  idempotent,
  retries: optional(retries),
  retryDelayMs: optional(retryDelayMs),
} satisfies Record<keyof ClientRequestOptions, unknown>);

/** A message as it was asked to be sent. */
export interface ReadMessage {
  readonly message: Outgoing;
  readonly messageId: MessageId | undefined;
}

/** @throws InvalidArgumentError */
export function readSend(payload: Uint8Array, options: SendOptions, nowMs: number): ReadMessage {
  return messageOf(payload, readOptions(sending, options), nowMs);
}

/** @throws InvalidArgumentError */
export function readSendAcked(
  payload: Uint8Array,
  options: SendAckedOptions,
  nowMs: number,
): ReadMessage & { readonly wait: AckOptions } {
  const { level, timeoutMs, signal, ...read } = readOptions(sendingAcked, options);
  return { ...messageOf(payload, read, nowMs, level), wait: { level, timeoutMs, signal } };
}

/** The options of a message that a server sends elsewhere. @throws InvalidArgumentError */
export function checkSendOptions(options: SendOptions): SendOptions {
  return checkServers(checked(readOptions(sending, options)));
}

/** What a server sends never goes early. @returns the same. @throws InvalidArgumentError */
export function checkServers<Sent extends Pick<ClientSendOptions, "idempotent">>(sent: Sent): Sent {
  if (sent.idempotent === undefined) return sent;
  throw new InvalidArgumentError("idempotent is of what a client sends");
}

/** The same of a request. @throws InvalidArgumentError */
export function checkRequestOptions(subject: unknown, options: RequestOptions): RequestOptions {
  checkSubjectText(subject);
  return readOptions(asking, options);
}

/** @throws InvalidArgumentError */
export function readRequest(subject: unknown, options: RequestOptions) {
  return asked(checkRequestOptions(subject, options));
}

/** The same of a client's. @throws InvalidArgumentError */
export function readClientRequest(subject: unknown, options: ClientRequestOptions) {
  checkSubjectText(subject);
  const read = readOptions(clientAsking, options);
  if (read.retries && read.idempotent !== true) {
    throw new InvalidArgumentError("retries are of a request that may be done twice: say idempotent, too");
  }
  return asked(read);
}

function asked<Options extends RequestOptions>({ messageId: id, ...read }: Options) {
  return { ...read, meta: withMarks(undefined, idBytes(id)) };
}

function checked<Options extends ClientSendOptions>(options: Options): Options {
  const { delivery = "ordered" } = options;
  if (options.idempotent && isUnsequenced(delivery)) {
    throw new InvalidArgumentError(`idempotent is of messages that are all to come, and not "${delivery}"`);
  }
  if (options.delivery === "latest" && options.key === undefined) {
    throw new InvalidArgumentError('delivery "latest" needs a key: only the newest of each is sent');
  }
  const own = options.meta?.find(({ key }) => isReservedKey(key));
  if (own === undefined) return options;
  throw new InvalidArgumentError(`meta must have other keys than "${own.key}", which is the session's own`);
}

function messageOf(
  payload: Uint8Array,
  options: ClientSendOptions,
  nowMs: number,
  level: AckOptions["level"] = "received",
): ReadMessage {
  const { deadlineMs, messageId: id, meta, ...read } = checked(options);
  const { type = 0 } = read;
  const marked = withMarks(meta, idBytes(id), acknowledgedLevels.indexOf(level));
  const expiresAt = deadlineMs === undefined ? {} : { expiresAt: nowMs + deadlineMs };
  return {
    message: { kind: Kind.Message, ...read, type, meta: marked, ...expiresAt, payload },
    messageId: id,
  };
}

function idBytes(id: MessageId | undefined): Uint8Array | undefined {
  return typeof id === "string" ? encoder.encode(id) : id;
}

function isMessageId(value: unknown): boolean {
  const bytes = typeof value === "string" ? encoder.encode(value) : value;
  return bytes instanceof Uint8Array && bytes.length > 0 && bytes.length <= maxMessageIdBytes;
}
