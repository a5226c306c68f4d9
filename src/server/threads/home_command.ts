import { entry, MetaReader } from "../../delivery/meta.js";
import { ProtocolViolationError } from "../../errors.js";
import { decodeFrame, encodeFrame, FrameView, Kind } from "../../frame/frame.js";
import { type Cursor, cursorBytes, decodeCursor, encodeCursor } from "../../topic/cursor.js";
import { subjectFault } from "../../topic/subject.js";

/** What environments say to each other of topics. */
export const HomeOp = {
  /** To the home: a message to be numbered. */
  offer: 1,
  /** From the home: it was, and its cursor. */
  taken: 2,
  /** From the home: it was not, or what was asked for is not told. Its type is the reason, of `RefusedBy`. */
  refused: 3,
  /** From the home to all: a message and its cursor. */
  publication: 4,
  /** To the home: the topic is needed here. With a flag, what is kept of it is wanted. */
  follow: 5,
  /** To the home: not any more. */
  unfollow: 6,
  /** From the home: one that it keeps, of those that were asked for. */
  kept: 7,
  /** From the home: where the topic is, asked for or not. With a flag, what came before it by `kept` is all. */
  state: 8,
  /** From any home: there may be something missing of any topic. */
  lost: 9,
} as const;

/** Why a home does not do what it is asked for: it is none, by now or still; it has too many topics; too much waits. */
export const RefusedBy = { stranger: 1, limit: 2, full: 3 } as const;

/** One of them, as it is read. */
export interface HomeCommand {
  /** Of `HomeOp`. */
  readonly op: number;
  /** By which an answer is known; 0 where there is none. */
  readonly id: number;
  /** The application's type of message, or a reason. */
  readonly type: number;
  readonly flag: boolean;
  /** A sound one, or "" where the command has none. */
  readonly subject: string;
  readonly payload: Uint8Array;
  readonly cursor: Cursor | undefined;
  readonly former: Cursor | undefined;
}

const nothing = new Uint8Array(0);

/** @param command what it does not have is left out. */
export function encodeHomeCommand(command: Partial<HomeCommand> & { readonly op: number }): Uint8Array {
  const { op, id = 0, type = 0, flag = false, subject, payload = nothing, cursor, former } = command;
  const header = { kind: Kind.Publish, flags: 0, channel: op, type, seq: id, ref: flag ? 1 : 0 };
  const meta = [
    ...entry("cursor", cursor && encodeCursor(cursor)),
    ...entry("former", former && encodeCursor(former)),
  ];
  return encodeFrame(header, payload, { subject, meta: meta.length === 0 ? undefined : meta });
}

const view = new FrameView();
const withoutSubject: ReadonlySet<number> = new Set([HomeOp.taken, HomeOp.refused, HomeOp.lost]);
const withCursor: ReadonlySet<number> = new Set([
  HomeOp.taken,
  HomeOp.publication,
  HomeOp.kept,
  HomeOp.state,
]);

/**
 * @param bytes the caller's own: no other thread may write there, for what is returned lies in it.
 * @throws FrameMalformedError, ProtocolViolationError
 */
export function readHomeCommand(bytes: Uint8Array): HomeCommand {
  decodeFrame(bytes, false, view);
  const { kind, channel: op, type, seq: id, ref, subject = "", payload } = view;
  if (kind !== Kind.Publish || op < HomeOp.offer || op > HomeOp.lost) {
    throw new ProtocolViolationError(`there is no command ${op} of topics`);
  }
  const fault = withoutSubject.has(op) ? undefined : subjectFault(subject);
  if (fault !== undefined) throw new ProtocolViolationError(`the subject of a command ${fault}`);
  const meta = new MetaReader("command", view);
  const cursor = cursorIn(meta, "cursor");
  const isPlaced = cursor !== undefined && cursor.epoch !== 0;
  if (withCursor.has(op) && !isPlaced) {
    throw new ProtocolViolationError(`the command ${op} of topics says where`);
  }
  return { op, id, type, flag: ref === 1, subject, payload, cursor, former: cursorIn(meta, "former") };
}

function cursorIn(meta: MetaReader, key: string): Cursor | undefined {
  const bytes = meta.bytes(key, cursorBytes, cursorBytes);
  return bytes && decodeCursor(bytes);
}
