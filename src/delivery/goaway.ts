import { type FrameContents, Kind } from "../frame/frame.js";
import { contentsOf } from "./contents.js";
import { entry, MetaReader, u32 } from "./meta.js";
import { readTarget, targetEntries } from "./target.js";

/** The server is about to stop: the client resumes its session elsewhere, or here a little later. */
export interface GoAway {
  /** A URL; undefined where the client is to use those that it knows. */
  readonly target: string | undefined;
  /** How long the client waits before it comes; undefined: not at all. */
  readonly retryAfterMs: number | undefined;
}

/** @throws InvalidArgumentError */
export function encodeGoAway({ target, retryAfterMs }: GoAway): FrameContents {
  return contentsOf(Kind.GoAway, {
    meta: [
      ...targetEntries(target),
      ...entry("retry-after", retryAfterMs === undefined ? undefined : u32(retryAfterMs, "retryAfterMs")),
    ],
  });
}

/** @throws FrameMalformedError, ProtocolViolationError */
export function readGoAway(frame: Readonly<FrameContents>): GoAway {
  const meta = new MetaReader("GoAway", frame);
  return { target: readTarget(meta, "GoAway"), retryAfterMs: meta.u32("retry-after") };
}
