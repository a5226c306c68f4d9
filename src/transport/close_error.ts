import {
  FrameMalformedError,
  FrameTooLargeError,
  InternalError,
  type MillraceError,
  PolicyViolationError,
  ProtocolViolationError,
  ResourceExhaustedError,
} from "../errors.js";
import { CloseCode, maxCloseCode } from "./close.js";

/**
 * The error that goes with a close code the peer sent, the same on every transport; undefined for codes by
 * which an application ends a connection as it wanted.
 */
export function peerCloseError(code: number, reason: string): MillraceError | undefined {
  const said = reason === "" ? "" : `: ${reason}`;
  switch (code) {
    case CloseCode.protocolViolation:
      return new ProtocolViolationError(`the peer found this side breaking the protocol${said}`);
    case CloseCode.frameTooLarge:
      return new FrameTooLargeError(`the peer takes no message of that size${said}`);
    case CloseCode.frameMalformed:
      return new FrameMalformedError(`the peer could not read a frame of this side${said}`);
    case CloseCode.internal:
      return new InternalError(`the peer closed because of a fault of its own${said}`);
    case CloseCode.exhausted:
      return new ResourceExhaustedError(`the peer has no room for this connection${said}`);
    default:
      return code > maxCloseCode
        ? new ProtocolViolationError(
            `the peer closed with ${code}, which is no close code of messages${said}`,
          )
        : undefined;
  }
}

/** The error that goes with a code by which this side's engine, and not the application, ended a connection. */
export function localCloseError(code: number): MillraceError {
  switch (code) {
    case CloseCode.frameTooLarge:
      return new FrameTooLargeError("the peer sent a message above this side's limit");
    case CloseCode.frameMalformed:
      return new FrameMalformedError("the peer sent a frame that is none");
    case CloseCode.policy:
      return new PolicyViolationError(
        "the peer left a frame unfinished for too long, or aborted too many streams",
      );
    case CloseCode.exhausted:
      return new ResourceExhaustedError("this side has no room for the connection or its frames");
    default:
      return new ProtocolViolationError("the peer broke the protocol");
  }
}
