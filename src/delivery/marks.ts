import { FrameMalformedError, ProtocolViolationError } from "../errors.js";
import type { FrameContents, MetaEntry } from "../frame/frame.js";
import { AckLevel } from "./ack.js";
import { maxMessageIdBytes, messageIdOf } from "./dedupe.js";
import { noEntries, u32 } from "./meta.js";

/** What the session reads in the metadata of messages and requests. Their keys are not the application's. */
export interface Marks {
  /** As `Dedupe` has it. */
  readonly id: string | undefined;
  /** Of `AckLevel`: what the sender waits for; 0 where it is no more than that the message is handled. */
  readonly level: number;
}

const idKey = "id";
const levelKey = "ack";

/** Whether a key is the session's own. */
export function isReservedKey(key: string): boolean {
  return key === idKey || key === levelKey;
}

/** The metadata of a message with its marks, where it has any. */
export function withMarks(
  meta: readonly MetaEntry[] | undefined,
  id: Uint8Array | undefined,
  level: number = AckLevel.received,
): readonly MetaEntry[] | undefined {
  if (id === undefined && level === AckLevel.received) return meta;
  const marks = meta === undefined ? [] : [...meta];
  if (id !== undefined) marks.push({ key: idKey, value: id });
  if (level !== AckLevel.received) marks.push({ key: levelKey, value: u32(level, "a level") });
  return marks;
}

/**
 * @returns undefined where there are none.
 * @throws FrameMalformedError, ProtocolViolationError
 */
export function readMarks(meta: readonly MetaEntry[]): Marks | undefined {
  const id = only(meta, idKey);
  const level = only(meta, levelKey);
  if (id === undefined && level === undefined) return undefined;
  return { id: id && readId(id), level: level === undefined ? 0 : readLevel(level) };
}

/** The marks of a frame. @throws FrameMalformedError, ProtocolViolationError */
export function marksOf({ meta = noEntries }: Pick<FrameContents, "meta">): Marks | undefined {
  return meta.length === 0 ? undefined : readMarks(meta);
}

/** The bytes of a message's id; still the frame's. */
export function idBytesOf(meta: readonly MetaEntry[]): Uint8Array | undefined {
  return meta.find(({ key }) => key === idKey)?.value;
}

function only(meta: readonly MetaEntry[], key: string): Uint8Array | undefined {
  let found: Uint8Array | undefined;
  for (const entry of meta) {
    if (entry.key !== key) continue;
    if (found !== undefined) throw new ProtocolViolationError(`a message has one "${key}" at most`);
    found = entry.value;
  }
  return found;
}

function readId(bytes: Uint8Array): string {
  const id = messageIdOf(bytes);
  if (id !== undefined) return id;
  throw new FrameMalformedError(`a message id has 1 to ${maxMessageIdBytes} bytes, not ${bytes.length}`);
}

function readLevel(bytes: Uint8Array): number {
  if (bytes.length !== 4) throw new FrameMalformedError(`"${levelKey}" has 4 bytes, not ${bytes.length}`);
  const level = new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0, true);
  if (level === AckLevel.received || level > AckLevel.read) {
    throw new ProtocolViolationError(`nobody can wait for level ${level}`);
  }
  return level;
}
