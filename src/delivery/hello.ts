import { FrameMalformedError, ProtocolViolationError } from "../errors.js";
import { type FrameContents, Kind, type MetaEntry } from "../frame/frame.js";
import { checkClientId, readClientId } from "./client_id.js";
import { checkLength, contentsOf } from "./contents.js";
import { type Cursors, cursorEntries, noCursors, readCursors } from "./cursors.js";
import { checkEarly } from "./early_message.js";
import { applicationEntries, entry, MetaReader, owned } from "./meta.js";
import { noPlaces, type Places, placeEntries, readPlaces } from "./places.js";
import { sessionIdBytes } from "./session_id.js";
import { maxResumeTokenBytes, readTerms, type Terms, termEntries } from "./terms.js";

/** The longest token of an application. */
export const maxTokenBytes = 8 * 1024;

/** Nobody has more. */
const maxCompressions = 16;
/** Of Hello: an early message. Of Welcome: one byte 1 where they are answered. */
export const earlyKey = "early";

/** The session that a client was in, and what it proves that by. */
export interface Resumption {
  /** 16 bytes. */
  readonly session: Uint8Array;
  /** The newest token that the server gave; 1 to 256 bytes. */
  readonly resume: Uint8Array;
  /** What the client has handled of what the server sent. */
  readonly cursors: Cursors;
  /** What it has of topics. */
  readonly places?: Places | undefined;
}

/** A client's first frame on every connection. */
export interface Hello extends Terms {
  /** {@link sessionVersion}; of another one, nothing else that is said here need be right. */
  readonly version: number;
  /** The name that the application has for this client; at most 256 bytes, without control characters. */
  readonly clientId: string | undefined;
  /** What the application authenticates by; at most 8 KiB, empty where there is none. */
  readonly token: Uint8Array;
  /** What payloads may be compressed with, each 1 byte, or 9 with a dictionary, the most wanted first; at most 16. */
  readonly compressions?: readonly Uint8Array[] | undefined;
  /** Where the client was in a session before. */
  readonly resumption: Resumption | undefined;
  /** The application's own words. */
  readonly meta: readonly MetaEntry[];
  /** What the server may take at once, each a whole frame: see `EarlyMessage`. None where it is missing. */
  readonly early?: readonly Uint8Array[] | undefined;
}

/** @throws InvalidArgumentError */
export function encodeHello(hello: Hello): FrameContents {
  const { version, clientId, token, resumption, meta, compressions = [], early = [] } = hello;
  checkLength(token, 0, maxTokenBytes, "a token");
  return contentsOf(Kind.Hello, {
    type: version,
    payload: token,
    subject: checkClientId(clientId),
    meta: [
      ...resumptionEntries(resumption),
      ...termEntries(hello),
      ...compressions.map((value) => ({ key: "compression", value })),
      ...applicationEntries(meta),
      ...early.map((value) => ({ key: earlyKey, value })),
    ],
  });
}

function resumptionEntries(resumption: Resumption | undefined): MetaEntry[] {
  if (resumption === undefined) return [];
  const { session, resume, cursors, places = noPlaces } = resumption;
  return [
    ...entry("session", checkLength(session, sessionIdBytes, sessionIdBytes, "a session's id")),
    ...entry("resume", checkLength(resume, 1, maxResumeTokenBytes, "a resume token")),
    ...cursorEntries(cursors),
    ...placeEntries(places),
  ];
}

/**
 * @returns what the client says, in memory of its own.
 * @throws FrameMalformedError, ProtocolViolationError
 */
export function readHello(frame: Readonly<FrameContents>): Hello {
  const meta = new MetaReader("Hello", frame);
  const { payload, subject, type: version } = frame;
  const compressions = readCompressions(meta);
  if (payload.length > maxTokenBytes) {
    throw new ProtocolViolationError(`a token has at most ${maxTokenBytes} bytes, not ${payload.length}`);
  }
  return {
    version,
    clientId: readClientId(subject),
    token: owned(payload),
    resumption: readResumption(meta),
    ...readTerms(meta),
    ...(compressions.length > 0 && { compressions }),
    meta: meta.application(),
    early: checkEarly(meta.all(earlyKey)).map(owned),
  };
}

function readCompressions(meta: MetaReader): readonly Uint8Array[] {
  const ids = meta.all("compression");
  if (ids.length > maxCompressions || ids.some(({ length }) => length !== 1 && length !== 9)) {
    throw new FrameMalformedError(`there are ${maxCompressions} compressions at most, each of 1 or 9 bytes`);
  }
  return ids.map(owned);
}

function readResumption(meta: MetaReader): Resumption | undefined {
  const session = meta.bytes("session", sessionIdBytes, sessionIdBytes);
  const resume = meta.bytes("resume", 1, maxResumeTokenBytes);
  const cursors = readCursors(meta);
  const places = readPlaces(meta);
  if (session !== undefined && resume !== undefined) return { session, resume, cursors, places };
  const isNone = session === undefined && resume === undefined;
  if (isNone && cursors === noCursors && places.size === 0) return undefined;
  throw new ProtocolViolationError(
    "a Hello has both a session and a resume token, or none of what resumes one",
  );
}
