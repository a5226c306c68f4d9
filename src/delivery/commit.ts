import { ProtocolViolationError } from "../errors.js";
import { type FrameContents, Kind } from "../frame/frame.js";
import { contentsOf } from "./contents.js";

/** The client's first frame after a Welcome that it takes: from here on this connection is the session's. */
export function encodeCommit(): FrameContents {
  return contentsOf(Kind.Commit, {});
}

/** A Commit says nothing but that it is one. @throws ProtocolViolationError */
export function checkCommit({ flags, payload }: Readonly<FrameContents>): void {
  if (flags !== 0 || payload.length !== 0) {
    throw new ProtocolViolationError("a Commit has neither flags nor a payload");
  }
}
