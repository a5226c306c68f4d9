import { type FrameContents, Kind } from "../frame/frame.js";
import { contentsOf } from "./contents.js";
import { entry, MetaReader, shortText, u32 } from "./meta.js";
import { readTarget, targetEntries } from "./target.js";

/** Why a server does not let a client in. An application's own are from {@link firstApplicationReject} on. */
export const RejectCode = {
  /** It did not prove who it is: the same whatever was wrong, so that nobody learns which accounts there are. */
  unauthenticated: 1,
  /** The server speaks no such version of the protocol. */
  version: 2,
  /** There are as many sessions as there may be, in all or of this client's address. */
  full: 3,
  /** It comes too often. */
  tooOften: 4,
  /** A session with this client id is there already, and the server keeps that one. */
  clientIdTaken: 5,
  /** The server stops. */
  goingAway: 6,
  /** A fault of the server. */
  internal: 7,
  /** The session that it resumes is another server's, which it is to ask: `target` says where that is. */
  elsewhere: 8,
  /** No session was begun in its time: the client, its network or the server was too slow. */
  timeout: 9,
} as const;

/** Codes from here to 2^32 - 1 are the application's. */
export const firstApplicationReject = 256;

const maxReasonCharacters = 1024;

/** The server's answer to a Hello that it refuses; then it closes the connection. */
export interface Reject {
  /** Of {@link RejectCode}, or the application's. */
  readonly code: number;
  /** Text for people; cut at 1,024 characters. */
  readonly reason: string;
  /** When the client may come again; undefined where that would not help. */
  readonly retryAfterMs: number | undefined;
  /** A URL, where it may come instead; undefined where there is none. */
  readonly target?: string | undefined;
}

/** @throws InvalidArgumentError */
export function encodeReject({ code, reason, retryAfterMs, target }: Reject): FrameContents {
  return contentsOf(Kind.Reject, {
    type: code,
    subject: shortText(reason, maxReasonCharacters),
    meta: [
      ...entry("retry-after", retryAfterMs === undefined ? undefined : u32(retryAfterMs, "retryAfterMs")),
      ...targetEntries(target),
    ],
  });
}

/** @throws FrameMalformedError, ProtocolViolationError */
export function readReject(frame: Readonly<FrameContents>): Reject {
  const meta = new MetaReader("Reject", frame);
  return {
    code: frame.type,
    reason: shortText(frame.subject ?? "", maxReasonCharacters),
    retryAfterMs: meta.u32("retry-after"),
    target: readTarget(meta, "Reject"),
  };
}
