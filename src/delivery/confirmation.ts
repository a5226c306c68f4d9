import { FrameMalformedError, ProtocolViolationError } from "../errors.js";
import { type FrameContents, Kind } from "../frame/frame.js";
import { AckLevel } from "./ack.js";
import { FailureCode } from "./failure.js";
import { isLane } from "./lane.js";
import { entry, MetaReader, shortText, u32 } from "./meta.js";
import type { Outgoing } from "./outgoing.js";

/** Why a message was rejected. */
export interface Rejection {
  /** Of {@link FailureCode}. */
  readonly code: number;
  /** Text for people. */
  readonly reason: string;
}

/**
 * What a receiver says of one message that it has. It is sent as any message is: numbered, kept, and sent again on the
 * next connection until it is acknowledged, so that who has said it need not remember it.
 */
export interface Confirmation {
  /** Of {@link AckLevel}, but `received`. */
  readonly level: number;
  /** The message's lane. */
  readonly lane: number;
  /** The low 32 bits of the message's sequence; never 0. */
  readonly sequence: number;
  /** Where the level is `rejected`. */
  readonly rejection?: Rejection | undefined;
}

/** Of what asks to be stored where nothing is. */
export const unstorable: Rejection = { code: FailureCode.unstorable, reason: "nothing is stored here" };

const bodyBytes = 8;
const maxReasonCharacters = 1_024;
const statusKey = "status";

/** A hot frame, unless it rejects. */
export function confirmationOf({ level, lane, sequence, rejection }: Confirmation): Outgoing {
  const payload = new Uint8Array(bodyBytes);
  const view = new DataView(payload.buffer);
  view.setUint32(0, lane, true);
  view.setUint32(4, sequence, true);
  const frame = { kind: Kind.Ack, type: level, payload };
  if (rejection === undefined) return frame;
  const { code, reason } = rejection;
  const meta = entry(statusKey, u32(code, "a rejection's code"));
  return { ...frame, subject: shortText(reason, maxReasonCharacters), meta };
}

/** @throws ProtocolViolationError, FrameMalformedError */
export function readConfirmation(frame: Readonly<FrameContents>): Confirmation {
  const meta = new MetaReader("Ack", frame);
  const { type: level, payload, subject: reason = "" } = frame;
  if (level === AckLevel.received || level > AckLevel.rejected) {
    throw new ProtocolViolationError(`an Ack with a sequence has no level ${level}`);
  }
  if (payload.length !== bodyBytes) {
    throw new FrameMalformedError(`an Ack of one message has ${bodyBytes} bytes, not ${payload.length}`);
  }
  const view = new DataView(payload.buffer, payload.byteOffset, bodyBytes);
  const lane = view.getUint32(0, true);
  const sequence = view.getUint32(4, true);
  if (!isLane(lane)) throw new ProtocolViolationError(`an Ack is of lane ${lane}, and there is none`);
  if (sequence === 0) throw new ProtocolViolationError("an Ack names a sequence");
  if (level !== AckLevel.rejected) return { level, lane, sequence };
  const code = meta.u32(statusKey) ?? FailureCode.overloaded;
  return { level, lane, sequence, rejection: { code, reason } };
}
