import { InvalidArgumentError, ProtocolViolationError } from "../errors.js";
import { type FrameContents, Kind } from "../frame/frame.js";
import { contentsOf } from "./contents.js";
import { MetaReader, u32 } from "./meta.js";
import { highBits, joinBits, lowBits } from "./sequence.js";

const maxHighBits = 0x1f_ffff;

/** History that is lost, and how what is still there begins. */
export interface Gap {
  /** Undefined: the session's own messages. */
  readonly topic: string | undefined;
  /** Another number says that the history was begun anew. */
  readonly epoch: number;
  /** The oldest sequence that is still there, 0..2^53 - 1. */
  readonly oldest: number;
}

/** @throws InvalidArgumentError */
export function encodeGap({ topic, epoch, oldest }: Gap): FrameContents {
  if (!Number.isSafeInteger(oldest) || oldest < 0) {
    throw new InvalidArgumentError(`oldest must be an integer from 0 to 2^53 - 1, and not ${oldest}`);
  }
  const halves = new Uint8Array(8);
  halves.set(u32(highBits(oldest), "oldest"));
  halves.set(u32(lowBits(oldest), "oldest"), 4);
  return contentsOf(Kind.Gap, {
    subject: topic,
    meta: [
      { key: "epoch", value: u32(epoch, "epoch") },
      { key: "oldest", value: halves },
    ],
  });
}

/** @throws FrameMalformedError, ProtocolViolationError */
export function readGap(frame: Readonly<FrameContents>): Gap {
  const meta = new MetaReader("Gap", frame);
  const epoch = meta.requiredBytes("epoch", 4, 4);
  const oldest = new DataView(meta.requiredBytes("oldest", 8, 8).buffer);
  const high = oldest.getUint32(0, true);
  if (high > maxHighBits) throw new ProtocolViolationError("the oldest of a Gap is no sequence");
  return {
    topic: frame.subject,
    epoch: new DataView(epoch.buffer).getUint32(0, true),
    oldest: joinBits(high, oldest.getUint32(4, true)),
  };
}
