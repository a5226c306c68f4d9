import { ProtocolViolationError } from "../errors.js";
import { type FrameContents, Kind } from "../frame/frame.js";
import { contentsOf } from "./contents.js";
import { isLane } from "./lane.js";

/**
 * What became of a message. `received` is cumulative, and what the sender's credit comes from: all of the lane up to
 * this sequence is handled. The others are each of one message, and messages themselves: see `confirmation.ts`.
 */
export const AckLevel = { received: 0, stored: 1, delivered: 2, read: 3, rejected: 4 } as const;

export interface Ack {
  readonly lane: number;
  /** The low 32 bits of the sequence; never 0. */
  readonly sequence: number;
}

/** A hot frame, of level `received`. */
export function encodeAck({ lane, sequence }: Ack): FrameContents {
  return contentsOf(Kind.Ack, { channel: lane, ref: sequence });
}

/** @throws ProtocolViolationError */
export function checkAck({ channel, type, ref, flags }: Readonly<FrameContents>): void {
  if (flags !== 0) throw new ProtocolViolationError(`an Ack has no flags, not ${flags}`);
  if (!isLane(channel)) throw new ProtocolViolationError(`an Ack is of lane ${channel}, and there is none`);
  if (type !== AckLevel.received) {
    throw new ProtocolViolationError(`an Ack of level ${type} has a sequence of its own`);
  }
  if (ref === 0) throw new ProtocolViolationError("an Ack names a sequence");
}
