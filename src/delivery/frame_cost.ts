import { type FrameContents, FrameView } from "../frame/frame.js";

/** Bytes that count for a frame without payload: what it costs to hold one. */
const frameOverheadBytes = 48;

/** What a frame counts for in a window. */
export function costOf(frame: Readonly<FrameContents>): number {
  if (frame instanceof FrameView) return frame.frameBytes;
  const { payload, subject = "", meta = [] } = frame;
  const extras = meta.reduce((sum, { key, value }) => sum + key.length + value.length, subject.length);
  return payload.length + extras + frameOverheadBytes;
}
