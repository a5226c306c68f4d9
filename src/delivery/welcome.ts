import { FrameMalformedError } from "../errors.js";
import { type FrameContents, Kind, type MetaEntry } from "../frame/frame.js";
import { checkClientId, maxClientIdBytes, readClientId } from "./client_id.js";
import { checkLength, contentsOf } from "./contents.js";
import { type Cursors, cursorEntries, readCursors } from "./cursors.js";
import { earlyKey } from "./hello.js";
import { applicationEntries, entry, MetaReader, utf8 } from "./meta.js";
import { sessionIdBytes } from "./session_id.js";
import { maxResumeTokenBytes, readTerms, type Terms, termEntries } from "./terms.js";

/** The server's answer to a Hello. Nothing of it is in force before the client's Commit. */
export interface Welcome extends Terms {
  readonly version: number;
  /** 16 bytes. */
  readonly session: Uint8Array;
  /** What the client resumes this session by; 1 to 256 bytes, opaque to it. Replaces any that it had. */
  readonly resume: Uint8Array;
  /** False where this is a new session: what the client had of an old one is gone. */
  readonly resumed: boolean;
  /** What the server has handled of what the client sent. */
  readonly cursors: Cursors;
  /** Of those of the Hello, what both sides compress with on this connection. */
  readonly compression?: Uint8Array | undefined;
  /** The client id in force. */
  readonly clientId: string | undefined;
  /** The application's own words. */
  readonly meta: readonly MetaEntry[];
  /** Each early message of the Hello is answered, on this connection; otherwise the server does not know of such. */
  readonly answersEarly?: boolean | undefined;
}

const yes = Uint8Array.of(1);

/** @throws InvalidArgumentError */
export function encodeWelcome(welcome: Welcome): FrameContents {
  const { version, session, resume, resumed, cursors, compression, clientId, meta } = welcome;
  const client = checkClientId(clientId);
  return contentsOf(Kind.Welcome, {
    type: version,
    meta: [
      ...entry("session", checkLength(session, sessionIdBytes, sessionIdBytes, "a session's id")),
      ...entry("resume", checkLength(resume, 1, maxResumeTokenBytes, "a resume token")),
      ...entry("resumed", resumed ? yes : undefined),
      ...cursorEntries(cursors),
      ...termEntries(welcome),
      ...entry("compression", compression),
      ...entry("client", client === undefined ? undefined : utf8(client, maxClientIdBytes, "a client id")),
      ...entry(earlyKey, welcome.answersEarly ? yes : undefined),
      ...applicationEntries(meta),
    ],
  });
}

/**
 * @returns what the server says, in memory of its own.
 * @throws FrameMalformedError, ProtocolViolationError
 */
export function readWelcome(frame: Readonly<FrameContents>): Welcome {
  const meta = new MetaReader("Welcome", frame);
  const compression = meta.bytes("compression", 1, 9);
  return {
    version: frame.type,
    session: meta.requiredBytes("session", sessionIdBytes, sessionIdBytes),
    resume: meta.requiredBytes("resume", 1, maxResumeTokenBytes),
    resumed: readYes(meta, "resumed"),
    cursors: readCursors(meta),
    ...readTerms(meta),
    ...(compression && { compression }),
    clientId: readClientId(meta.text("client", maxClientIdBytes)),
    meta: meta.application(),
    answersEarly: readYes(meta, earlyKey),
  };
}

function readYes(meta: MetaReader, key: string): boolean {
  const value = meta.bytes(key, 1, 1);
  if (value === undefined) return false;
  if (value[0] !== 1) throw new FrameMalformedError(`"${key}" of a Welcome is 1 where it is there`);
  return true;
}
