import { ConnectionLostError } from "../errors.js";
import { CloseCode, type CloseInfo } from "../transport/close.js";
import { peerCloseError } from "../transport/close_error.js";
import { eventError } from "../transport/event_error.js";

/** The close codes of RFC 6455 section 7.4.1, and of IANA's registry, that this module names. */
export const WireCode = {
  normal: 1000,
  none: 1005,
  abnormal: 1006,
  messageTooBig: 1009,
} as const;

/** The first of the codes that RFC 6455 leaves to applications: ours are 4000 + close code. */
const firstPrivateCode = 4000;

/** What the RFC's own codes mean in ours. */
const standardCodes: ReadonlyMap<number, number> = new Map([
  [WireCode.normal, CloseCode.normal],
  [1001, CloseCode.goingAway],
  [1002, CloseCode.protocolViolation],
  [1003, CloseCode.protocolViolation],
  [WireCode.none, CloseCode.normal],
  [1007, CloseCode.protocolViolation],
  [1008, CloseCode.policy],
  [WireCode.messageTooBig, CloseCode.frameTooLarge],
  [1010, CloseCode.protocolViolation],
  [1011, CloseCode.internal],
  [1012, CloseCode.goingAway],
  [1013, CloseCode.exhausted],
]);

/** The WebSocket close code that carries a close code of ours. */
export function toWireCode(code: number): number {
  return code === CloseCode.normal ? WireCode.normal : firstPrivateCode + code;
}

/** What the peer's close frame says. Codes of other applications (3000..3999) count as `policy`. */
export function peerCloseInfo(wireCode: number, reason: string): CloseInfo {
  const code =
    wireCode >= firstPrivateCode && wireCode < 5000
      ? wireCode - firstPrivateCode
      : (standardCodes.get(wireCode) ?? CloseCode.policy);
  const error = peerCloseError(code, reason);
  return error === undefined ? { by: "peer", code, reason } : { by: "peer", code, reason, error };
}

/** The connection ended without a close frame. */
export function lostCloseInfo(why: string): CloseInfo {
  const error = eventError(() => new ConnectionLostError(why));
  return { by: "transport", code: WireCode.abnormal, reason: "", error };
}
