import { InvalidArgumentError } from "../errors.js";
import type { FrameContents, MetaEntry } from "../frame/frame.js";

const nothing = new Uint8Array(0);

/** What a frame of this side says, where it leaves out what it does not need. */
export interface Sayings {
  readonly type?: number;
  readonly channel?: number;
  readonly ref?: number;
  readonly payload?: Uint8Array;
  readonly subject?: string | undefined;
  readonly meta?: readonly MetaEntry[];
}

/** A whole frame without flags and sequence; a hot one where there are no subject and no metadata. */
export function contentsOf(kind: number, sayings: Sayings): FrameContents {
  const { type = 0, channel = 0, ref = 0, payload = nothing, subject, meta = [] } = sayings;
  const extras = meta.length === 0 ? {} : { meta };
  return { kind, flags: 0, channel, type, seq: 0, ref, payload, subject, ...extras };
}

/** @throws InvalidArgumentError */
export function checkLength(bytes: Uint8Array, min: number, max: number, what: string): Uint8Array {
  if (bytes.length >= min && bytes.length <= max) return bytes;
  const allowed = min === max ? `${min}` : `${min} to ${max}`;
  throw new InvalidArgumentError(`${what} must have ${allowed} bytes, and not ${bytes.length}`);
}
