import { InvalidArgumentError, ProtocolViolationError } from "../errors.js";
import type { MetaEntry } from "../frame/frame.js";
import { entry, type MetaReader, u32 } from "./meta.js";

/** Of a session's protocol, as Hello and Welcome name it. */
export const sessionVersion = 1;

/** Resume tokens are the server's own business; this is how much of one a client keeps. */
export const maxResumeTokenBytes = 256;

/** What a peer that does not say otherwise takes: whole frames that it has not acknowledged. */
export const defaultWindowBytes = 256 * 1024;

/** The largest payload of a peer that does not say otherwise. */
export const defaultMaxMessageBytes = 1024 * 1024;

/** What each side tells the other about itself, in Hello and in Welcome. */
export interface Terms {
  /** Of Hello what is wished, of Welcome what is in force: a sign of life at least so often. */
  readonly heartbeatMs: number | undefined;
  /** Bytes of whole sequenced frames that may be on their way to this side, not acknowledged; one frame always may. */
  readonly windowBytes: number;
  /** The largest payload that this side takes. */
  readonly maxMessageBytes: number;
}

/** @throws InvalidArgumentError */
export function termEntries({ heartbeatMs, windowBytes, maxMessageBytes }: Terms): MetaEntry[] {
  if (heartbeatMs === 0 || maxMessageBytes === 0) {
    throw new InvalidArgumentError("heartbeatMs and maxMessageBytes must be at least 1");
  }
  return [
    ...entry("heartbeat", heartbeatMs === undefined ? undefined : u32(heartbeatMs, "heartbeatMs")),
    ...entry("window", u32(windowBytes, "windowBytes")),
    ...entry("max", u32(maxMessageBytes, "maxMessageBytes")),
  ];
}

/** @throws FrameMalformedError, ProtocolViolationError */
export function readTerms(meta: MetaReader): Terms {
  const heartbeatMs = meta.u32("heartbeat");
  const windowBytes = meta.u32("window") ?? defaultWindowBytes;
  const maxMessageBytes = meta.u32("max") ?? defaultMaxMessageBytes;
  if (heartbeatMs === 0) throw new ProtocolViolationError("a heartbeat of 0 ms is none");
  if (maxMessageBytes === 0) throw new ProtocolViolationError("a peer that takes no message has no session");
  return { heartbeatMs, windowBytes, maxMessageBytes };
}
