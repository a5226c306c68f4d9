import { applicationEntries, MetaReader } from "../../delivery/meta.js";
import type { MessageId, SendOptions } from "../../delivery/send_options.js";
import { FrameMalformedError } from "../../errors.js";
import { decodeFrame, encodeFrame, FrameView, Kind, type MetaEntry } from "../../frame/frame.js";

/** What one environment says to another, in a frame. */
export interface Command<Details = Readonly<Record<string, unknown>>> {
  /** By which an answer is known; 0 where there is none. */
  readonly id: number;
  readonly subject: string | undefined;
  /** Valid as long as what was read, where it was read. */
  readonly payload: Uint8Array;
  readonly meta: readonly MetaEntry[];
  /** All else: what JSON can say. Of another thread: to be checked before it is used. */
  readonly details: Details;
}

const nothing = new Uint8Array(0);
const encoder = new TextEncoder();
const detailsKey = "details";
const maxDetailsBytes = 65_536;

/** @param command what it does not have is left out. */
export function encodeCommand({
  id = 0,
  subject,
  payload = nothing,
  meta = [],
  details,
}: Partial<Command<object>>): Uint8Array {
  const header = { kind: Kind.Request, flags: 0, channel: 0, type: id, seq: 0, ref: 0 };
  const entries = applicationEntries(meta);
  if (details !== undefined)
    entries.push({ key: detailsKey, value: encoder.encode(JSON.stringify(details)) });
  return encodeFrame(header, payload, { subject, meta: entries.length === 0 ? undefined : entries });
}

const view = new FrameView();

/**
 * @param bytes another thread may write there: what is no plain message is copied before it is verified.
 * @throws FrameMalformedError, ProtocolViolationError
 */
export function readCommand(bytes: Uint8Array): Command {
  if (!view.readHot(bytes)) decodeFrame(bytes.slice(), false, view);
  const { type: id, subject, payload } = view;
  if (view.meta.length === 0) return { id, subject, payload, meta: [], details: {} };
  const reader = new MetaReader("command", view);
  return { id, subject, payload, meta: reader.application(), details: detailsOf(reader) };
}

function detailsOf(reader: MetaReader): Readonly<Record<string, unknown>> {
  const text = reader.text(detailsKey, maxDetailsBytes);
  if (text === undefined) return {};
  try {
    const details: unknown = JSON.parse(text);
    if (typeof details === "object" && details !== null) return details as Record<string, unknown>;
  } catch {
    // it is none
  }
  throw new FrameMalformedError("the details of a command are no JSON object");
}

/** A message's id as JSON can say it: bytes by their numbers. */
export function asJson(id: MessageId | undefined): string | readonly number[] | undefined {
  return typeof id === "object" ? [...id] : id;
}

/** The opposite; what is none stays as it is, for who checks it. */
export function fromJson(id: unknown): MessageId | undefined {
  return Array.isArray(id) ? Uint8Array.from(id) : (id as MessageId | undefined);
}

/** A message with its options: one without any is no longer than it must be. */
export function encodeMessage(payload: Uint8Array, options: SendOptions = {}, details?: object): Uint8Array {
  const { type, subject, meta, messageId, ...others } = options;
  const rest = { ...others, messageId: asJson(messageId) };
  const hasDetails = details !== undefined || Object.values(rest).some((value) => value !== undefined);
  return encodeCommand({
    ...{ id: type ?? 0, subject, payload },
    ...(meta !== undefined && { meta }),
    ...(hasDetails && { details: { ...rest, ...details } }),
  });
}

/** The options of a message, for `send`, which checks them. @param names of details that are none. */
export function messageOptions(
  { id, subject, meta, details }: Command,
  ...names: readonly string[]
): SendOptions | undefined {
  const given = Object.entries(details).filter(([name]) => !names.includes(name));
  if (id === 0 && subject === undefined && meta.length === 0 && given.length === 0) return undefined;
  return {
    ...Object.fromEntries(given),
    ...{ type: id, subject, messageId: fromJson(details.messageId) },
    ...(meta.length > 0 && { meta }),
  };
}
