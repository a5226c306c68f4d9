import { FrameMalformedError, ProtocolViolationError } from "../errors.js";
import type { MetaEntry } from "../frame/frame.js";
import { isLane } from "./lane.js";
import type { MetaReader } from "./meta.js";
import { highBits, joinBits, lowBits } from "./sequence.js";

/**
 * How far one side has got: of each lane the sequence up to which it has handled all, and which it needs no more of. A
 * lane that is missing has got nowhere.
 */
export type Cursors = ReadonlyMap<number, number>;

/** Of who has got nothing yet. */
export const noCursors: Cursors = new Map();

const key = "cursor";
const entryBytes = 12;
const maxHighBits = 0x1f_ffff;

/** One entry a lane: lane u32, high u32, low u32. */
export function cursorEntries(cursors: Cursors): MetaEntry[] {
  return [...cursors].map(([lane, sequence]) => {
    const value = new Uint8Array(entryBytes);
    const view = new DataView(value.buffer);
    view.setUint32(0, lane, true);
    view.setUint32(4, highBits(sequence), true);
    view.setUint32(8, lowBits(sequence), true);
    return { key, value };
  });
}

/**
 * @throws FrameMalformedError, ProtocolViolationError where they are wrong in themselves; whether there ever was such a
 *   sequence is for {@link Outbound} to say.
 */
export function readCursors(meta: MetaReader): Cursors {
  const values = meta.all(key);
  if (values.length === 0) return noCursors;
  const cursors = new Map<number, number>();
  for (const value of values) {
    const [lane, sequence] = readCursor(value);
    if (cursors.has(lane)) throw new ProtocolViolationError(`lane ${lane} has two cursors`);
    cursors.set(lane, sequence);
  }
  return cursors;
}

function readCursor(value: Uint8Array): [number, number] {
  if (value.length !== entryBytes) {
    throw new FrameMalformedError(`a cursor has ${entryBytes} bytes, not ${value.length}`);
  }
  const view = new DataView(value.buffer, value.byteOffset, value.byteLength);
  const lane = view.getUint32(0, true);
  const high = view.getUint32(4, true);
  const low = view.getUint32(8, true);
  if (!isLane(lane)) throw new ProtocolViolationError(`there is no lane ${lane} to have a cursor`);
  if (high > maxHighBits || (low === 0 && high !== 0)) {
    throw new ProtocolViolationError(`the cursor of lane ${lane} is no sequence`);
  }
  return [lane, joinBits(high, low)];
}
