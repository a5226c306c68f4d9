import {
  FrameMalformedError,
  FrameTooLargeError,
  InternalError,
  type MillraceError,
  ProtocolViolationError,
  ResourceExhaustedError,
} from "../errors.js";
import { CloseCode } from "./close.js";

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
      return undefined;
  }
}
