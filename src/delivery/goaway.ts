import { InvalidArgumentError, ProtocolViolationError } from "../errors.js";
import { type FrameContents, Kind } from "../frame/frame.js";
import { contentsOf } from "./contents.js";
import { entry, MetaReader, u32, utf8 } from "./meta.js";

const maxTargetBytes = 2048;

/** The server is about to stop: the client resumes its session elsewhere, or here a little later. */
export interface GoAway {
  /** A URL; undefined where the client is to use those that it knows. */
  readonly target: string | undefined;
  /** How long the client waits before it comes; undefined: not at all. */
  readonly retryAfterMs: number | undefined;
}

/** @throws InvalidArgumentError */
export function encodeGoAway({ target, retryAfterMs }: GoAway): FrameContents {
  if (target !== undefined && !URL.canParse(target)) {
    throw new InvalidArgumentError(`target must be a URL, and not ${JSON.stringify(target)}`);
  }
  return contentsOf(Kind.GoAway, {
    meta: [
      ...entry("target", target === undefined ? undefined : utf8(target, maxTargetBytes, "target")),
      ...entry("retry-after", retryAfterMs === undefined ? undefined : u32(retryAfterMs, "retryAfterMs")),
    ],
  });
}

/** @throws FrameMalformedError, ProtocolViolationError */
export function readGoAway(frame: Readonly<FrameContents>): GoAway {
  const meta = new MetaReader("GoAway", frame);
  const target = meta.text("target", maxTargetBytes);
  if (target !== undefined && !URL.canParse(target)) {
    throw new ProtocolViolationError("the target of a GoAway is no URL");
  }
  return { target, retryAfterMs: meta.u32("retry-after") };
}
