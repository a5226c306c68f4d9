import { FailureCode, type Reply } from "../../delivery/failure.js";
import { encodeCommand } from "./command.js";

/** What became of what another environment has asked for, as it is told there. */
export function encodeReply(id: number, reply: Reply): Uint8Array {
  if (reply.status === "success") {
    return encodeCommand({ id, payload: reply.payload, meta: reply.meta, details: { status: "success" } });
  }
  return encodeCommand({ id, details: reply });
}

/** The same, or that it is too large. @param most the largest that may be posted, in bytes */
export function encodeFittingReply(id: number, reply: Reply, most: number): Uint8Array {
  const bytes = encodeReply(id, reply);
  if (bytes.length <= most) return bytes;
  const reason = `the answer takes ${bytes.length} bytes on its way to another thread, and ${most} find room (inboxBytes)`;
  return encodeReply(id, failure(FailureCode.overloaded, reason));
}

export function failure(code: number, reason: string): Reply {
  return { status: "failure", code, reason };
}
