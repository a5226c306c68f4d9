import { FrameMalformedError, ProtocolViolationError } from "../errors.js";
import { decodeFrame, encodeFrame, type FrameContents, FrameView, Kind } from "../frame/frame.js";
import { bodyHash, messageIdOf } from "./dedupe.js";
import { noEntries, ownedEntries } from "./meta.js";

/**
 * A request that a client makes with its Hello, before there is a session. It has no sequence, and neither has its
 * answer, a Response on the same connection: so the session knows nothing of it, and nothing follows it.
 */
export interface EarlyRequest {
  readonly frame: FrameContents;
  /** By what a copy is known, and told from another that has the same id by mistake: see `Dedupe`. */
  readonly id: string;
  readonly body: number;
}

/** How many a Hello may have. */
export const maxEarlyRequests = 16;
/** What they may have together: what may be sent before an answer (RFC 9002 section 7.2) has room for little more. */
export const maxEarlyBytes = 8 * 1_024;

/** So many random bytes, the same each time that a request goes early. */
export const earlyNonceBytes = 16;
const nonceKey = "early";

/** @param request as it would go out in a session */
export function encodeEarly(request: Readonly<FrameContents>, nonce: Uint8Array): Uint8Array {
  const { kind, type, payload, subject, meta = noEntries } = request;
  const header = { kind, flags: 0, channel: 0, type, seq: 0, ref: 0 };
  return encodeFrame(header, payload, { subject, meta: [...meta, { key: nonceKey, value: nonce }] });
}

/**
 * Before anybody keeps them, or reads one.
 * @returns the same.
 * @throws ProtocolViolationError where they are too many, or too large.
 */
export function checkEarly(requests: readonly Uint8Array[]): readonly Uint8Array[] {
  const bytes = requests.reduce((sum, { length }) => sum + length, 0);
  if (requests.length > maxEarlyRequests || bytes > maxEarlyBytes) {
    throw new ProtocolViolationError(
      `a Hello has at most ${maxEarlyRequests} early requests, of ${maxEarlyBytes} bytes together`,
    );
  }
  return requests;
}

/** @throws FrameMalformedError, ProtocolViolationError */
export function readEarly(requests: readonly Uint8Array[] = []): readonly EarlyRequest[] {
  return checkEarly(requests).map(readOne);
}

function readOne(bytes: Uint8Array): EarlyRequest {
  const view = decodeFrame(bytes, false, new FrameView());
  const { kind, flags, channel, type, seq, ref, subject = "", payload } = view;
  if (kind !== Kind.Request || flags !== 0 || seq !== 0) {
    throw new ProtocolViolationError("what a Hello asks are Requests without flags and sequences");
  }
  const meta = ownedEntries(view.meta);
  const [nonce, ...others] = meta.filter(({ key }) => key === nonceKey);
  if (nonce?.value.length !== earlyNonceBytes || others.length > 0) {
    throw new FrameMalformedError(`an early request has one "${nonceKey}", of ${earlyNonceBytes} bytes`);
  }
  return {
    frame: { kind, flags, channel, type, seq, ref, subject, payload: payload.slice(), meta },
    id: messageIdOf(nonce.value)!,
    body: bodyHash(kind, type, subject, payload),
  };
}
