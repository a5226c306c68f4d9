import { FrameMalformedError, ProtocolViolationError } from "../errors.js";
import { decodeFrame, encodeFrame, type FrameContents, FrameView, Kind } from "../frame/frame.js";
import { bodyHash, messageIdOf } from "./dedupe.js";
import { type Marks, readMarks } from "./marks.js";
import { noEntries, ownedEntries } from "./meta.js";

/**
 * A request that a client makes with its Hello, before there is a session; or a message, which is a request that wants to
 * hear no more than that it has come. It has no sequence, and neither has its answer, a Response on the same connection:
 * so the session knows nothing of it, and nothing follows it.
 */
export interface EarlyMessage {
  readonly frame: FrameContents & Required<Pick<FrameContents, "meta">>;
  /** Among those of its Hello, from 1 on: what its answer names. */
  readonly place: number;
  /** By what a copy is known, and told from another that has the same id by mistake: see `Dedupe`. */
  readonly id: string;
  readonly body: number;
  /** What its sender says of it, as it would in a session. */
  readonly marks: Marks | undefined;
}

/** How many a Hello may have. */
export const maxEarlyMessages = 16;
/** What they may have together: what may be sent before an answer (RFC 9002 section 7.2) has room for little more. */
export const maxEarlyBytes = 8 * 1_024;

/** So many random bytes, the same each time that a message goes early. */
export const earlyNonceBytes = 16;
/** Of the last entry; an application's own may have the same name. */
const nonceKey = "early";

/** @param message as it would go out in a session */
export function encodeEarly(message: Readonly<FrameContents>, nonce: Uint8Array): Uint8Array {
  const { kind, type, payload, subject, meta = noEntries } = message;
  const header = { kind, flags: 0, channel: 0, type, seq: 0, ref: 0 };
  return encodeFrame(header, payload, { subject, meta: [...meta, { key: nonceKey, value: nonce }] });
}

/**
 * Before anybody keeps them, or reads one.
 * @returns the same.
 * @throws ProtocolViolationError where they are too many, or too large.
 */
export function checkEarly(messages: readonly Uint8Array[]): readonly Uint8Array[] {
  const bytes = messages.reduce((sum, { length }) => sum + length, 0);
  if (messages.length > maxEarlyMessages || bytes > maxEarlyBytes) {
    throw new ProtocolViolationError(
      `a Hello has at most ${maxEarlyMessages} early messages, of ${maxEarlyBytes} bytes together`,
    );
  }
  return messages;
}

/** @throws FrameMalformedError, ProtocolViolationError */
export function readEarly(messages: readonly Uint8Array[] = []): readonly EarlyMessage[] {
  return checkEarly(messages).map((bytes, at) => readOne(bytes, at + 1));
}

function readOne(bytes: Uint8Array, place: number): EarlyMessage {
  const view = decodeFrame(bytes, false, new FrameView());
  const { kind, flags, channel, type, seq, ref, subject = "", payload } = view;
  if ((kind !== Kind.Request && kind !== Kind.Message) || flags !== 0 || seq !== 0) {
    throw new ProtocolViolationError(
      "what a Hello has are Requests and Messages without flags and sequences",
    );
  }
  const entries = ownedEntries(view.meta);
  const nonce = entries.at(-1);
  if (nonce?.key !== nonceKey || nonce.value.length !== earlyNonceBytes) {
    throw new FrameMalformedError(
      `an early message has "${nonceKey}" behind its metadata, of ${earlyNonceBytes} bytes`,
    );
  }
  const meta = entries.slice(0, -1);
  return {
    frame: { kind, flags, channel, type, seq, ref, subject, payload: payload.slice(), meta },
    place,
    id: messageIdOf(nonce.value)!,
    body: bodyHash(kind, type, subject, payload),
    marks: readMarks(meta),
  };
}
