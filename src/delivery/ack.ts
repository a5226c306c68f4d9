import { ProtocolViolationError } from "../errors.js";
import { type FrameContents, Kind } from "../frame/frame.js";
import { contentsOf } from "./contents.js";
import { isLane } from "./lane.js";

/**
 * What became of a message. `received` is cumulative, and what the sender's credit comes from: all of the lane up to
 * this sequence is handled. The others are each of one message; `rejected`: it was not handled, since too much waits.
 */
export const AckLevel = { received: 0, stored: 1, delivered: 2, read: 3, rejected: 4 } as const;

export interface Ack {
  readonly lane: number;
  /** Of {@link AckLevel}. */
  readonly level: number;
  /** The low 32 bits of the sequence; never 0. */
  readonly sequence: number;
}

/** A hot frame. */
export function encodeAck({ lane, level, sequence }: Ack): FrameContents {
  return contentsOf(Kind.Ack, { channel: lane, type: level, ref: sequence });
}

/** @throws ProtocolViolationError */
export function checkAck({ channel, type, ref, flags }: Readonly<FrameContents>): void {
  if (flags !== 0) throw new ProtocolViolationError(`an Ack has no flags, not ${flags}`);
  if (!isLane(channel)) throw new ProtocolViolationError(`an Ack is of lane ${channel}, and there is none`);
  if (type > AckLevel.rejected) throw new ProtocolViolationError(`an Ack has no level ${type}`);
  if (ref === 0) throw new ProtocolViolationError("an Ack names a sequence");
}
