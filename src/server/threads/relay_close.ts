import { contentsOf } from "../../delivery/contents.js";
import { shortText } from "../../delivery/meta.js";
import { ConnectionLostError, InternalError, type MillraceError } from "../../errors.js";
import { decodeFrame, encodeFrame, FrameView, Kind } from "../../frame/frame.js";
import type { Complete } from "../../options/complete.js";
import { type CloseInfo, type CloseOptions, readCloseOptions } from "../../transport/close.js";
import { localCloseError, peerCloseError } from "../../transport/close_error.js";

const enders = ["local", "peer", "transport"] as const;
const gracefulType = 1;
const maxReasonCharacters = 200;
const view = new FrameView();

/** How a session's owner wants the client's connection closed. */
export function encodeClose({ code, reason, graceful, deadlineMs }: Complete<CloseOptions>): Uint8Array {
  const frame = contentsOf(Kind.Close, {
    type: graceful ? gracefulType : 0,
    channel: code,
    ref: deadlineMs,
    subject: reason,
  });
  return encodeFrame(frame, frame.payload, frame);
}

/** @throws FrameMalformedError, InvalidArgumentError where another thread has damaged it */
export function readClose(bytes: Uint8Array): Complete<CloseOptions> {
  const { type, channel: code, ref: deadlineMs, subject: reason = "" } = decodeFrame(bytes, false, view);
  return readCloseOptions({ code, reason, graceful: type === gracefulType, deadlineMs });
}

/** How the client's connection has ended. */
export function encodeClosed({ by, code, reason, error }: CloseInfo): Uint8Array {
  const frame = contentsOf(Kind.Close, {
    type: enders.indexOf(by),
    channel: error === undefined ? 0 : 1,
    ref: Math.min(code, 0xffff_ffff),
    subject: shortText(reason, maxReasonCharacters),
  });
  return encodeFrame(frame, frame.payload, frame);
}

/** @throws FrameMalformedError, InternalError where another thread has damaged it */
export function readClosed(bytes: Uint8Array): CloseInfo {
  const { type, channel, ref: code, subject: reason = "" } = decodeFrame(bytes, false, view);
  const by = enders[type];
  if (by === undefined) throw new InternalError("a relay's connection was ended by nobody");
  return { by, code, reason, ...(channel !== 0 && { error: errorOf(by, code, reason) }) };
}

/** The class that the edge had is told by who ended it, and by the code. */
function errorOf(by: CloseInfo["by"], code: number, reason: string): MillraceError {
  const error =
    by === "peer" ? peerCloseError(code, reason) : by === "local" ? localCloseError(code) : undefined;
  return error ?? new ConnectionLostError(reason === "" ? "the connection was lost" : reason);
}
