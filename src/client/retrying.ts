import { firstApplicationReject, RejectCode } from "../delivery/reject.js";
import {
  AbortedError,
  AddonUnavailableError,
  ConnectFailedError,
  FrameMalformedError,
  InvalidArgumentError,
  ProtocolViolationError,
  SessionClosedError,
  SessionRefusedError,
  UnknownTransportError,
} from "../errors.js";
import { CloseCode, type CloseInfo, firstApplicationCode } from "../transport/close.js";

/** What trying again does not change. A certificate is none of these: there are networks that show their own at first. */
const lasting = [
  InvalidArgumentError,
  UnknownTransportError,
  AddonUnavailableError,
  AbortedError,
  SessionClosedError,
  ProtocolViolationError,
  FrameMalformedError,
];

/** Whether a try that has failed may be followed by another. */
export function mayRetry(cause: unknown): boolean {
  if (cause instanceof ConnectFailedError) return cause.errors.some(({ error }) => mayRetry(error));
  if (cause instanceof SessionRefusedError) {
    const { rejectCode: code, retryAfterMs } = cause;
    if (code === RejectCode.unauthenticated || code === RejectCode.version) return false;
    // Of these the server says whether to come again; the others say nothing of the client.
    const isOfClient = code === RejectCode.clientIdTaken || code >= firstApplicationReject;
    return !isOfClient || retryAfterMs !== undefined;
  }
  return !lasting.some((kind) => cause instanceof kind);
}

/** Whether a server has refused the client because another one has its session. */
export function isElsewhere(cause: unknown): cause is SessionRefusedError {
  return cause instanceof SessionRefusedError && cause.rejectCode === RejectCode.elsewhere;
}

/** When the server has asked the client to come again; 0 where it has not said so. */
export function retryAfterOf(cause: unknown): number {
  if (cause instanceof ConnectFailedError)
    return Math.max(0, ...cause.errors.map(({ error }) => retryAfterOf(error)));
  return (cause instanceof SessionRefusedError && cause.retryAfterMs) || 0;
}

/** What the end of a connection means for the session: it goes on, one side has ended it, or it cannot go on. */
export function meaningOf({ by, code }: CloseInfo): "lost" | "ended" | "failed" {
  if (by === "transport") return "lost";
  if (by === "local") return code === CloseCode.goingAway ? "lost" : "failed";
  if (code === CloseCode.unauthenticated || code === CloseCode.protocolViolation) return "failed";
  const isEnd = code === CloseCode.normal || code === CloseCode.superseded || code >= firstApplicationCode;
  return isEnd ? "ended" : "lost";
}

/** How a session ends that could not be connected again. */
export function endOf(cause: unknown): CloseInfo {
  const error = cause as CloseInfo["error"] & Error;
  const reason = error.message.slice(0, 100);
  if (!(cause instanceof SessionRefusedError))
    return { by: "local", code: CloseCode.goingAway, reason, error };
  const isUnknown = cause.rejectCode === RejectCode.unauthenticated;
  return { by: "peer", code: isUnknown ? CloseCode.unauthenticated : CloseCode.policy, reason, error };
}
