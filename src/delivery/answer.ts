import { type FrameContents, Kind } from "../frame/frame.js";
import type { Reply } from "./failure.js";
import { entry, MetaReader, ownedEntries, shortText, u32 } from "./meta.js";
import type { Outgoing } from "./outgoing.js";
import { payloadOf } from "./payload.js";
import { SuccessfulReply } from "./reply.js";

const maxReasonCharacters = 1_024;
/** A response that has it is a failure, by this code. */
const statusKey = "status";
const retryAfterKey = "retry-after";
const nothing = new Uint8Array(0);

/** What a request's handler answered: nothing is no bytes. @throws InvalidArgumentError */
export function answerOf(answer: unknown): Uint8Array {
  return answer === undefined || answer === null ? nothing : payloadOf(answer as Uint8Array, "an answer");
}

/** Says that a request failed. @param code see `FailureCode`. @param retryAfterMs when it may be asked again. */
export function failureAnswer(id: number, code: number, reason: string, retryAfterMs?: number): Outgoing {
  const subject = shortText(reason, maxReasonCharacters);
  const meta = entry(statusKey, u32(code, "a failure's code"));
  if (retryAfterMs !== undefined) meta.push(...entry(retryAfterKey, u32(retryAfterMs, "retryAfterMs")));
  return { kind: Kind.Response, type: id, payload: nothing, subject, meta };
}

/** The opposite, as who asked has it: its bytes are its own. @throws FrameMalformedError, ProtocolViolationError */
export function readReply(frame: Readonly<FrameContents>): Reply {
  const meta = new MetaReader("response", frame);
  const code = meta.u32(statusKey);
  if (code !== undefined) {
    const retryAfterMs = meta.u32(retryAfterKey);
    const when = retryAfterMs === undefined ? {} : { retryAfterMs };
    return { status: "failure", code, reason: frame.subject ?? "", ...when };
  }
  return new SuccessfulReply(frame.payload.slice(), ownedEntries(frame.meta));
}
