import type { MetaEntry } from "../frame/frame.js";
import { u32 } from "./meta.js";

/** Why a request failed, or a message was rejected, as it is on the wire. An application's own are from 1,000 on. */
export const FailureCode = {
  /** Who answers said so. */
  failed: 1,
  /** Nobody answers this subject. */
  unknownSubject: 2,
  /** Who answers met a fault of its own, of which no more is told. */
  internal: 3,
  /** As many wait already as may. */
  overloaded: 4,
  /** Who answers took too long. */
  timeout: 5,
  /** Who asked may not. */
  forbidden: 6,
  /** What was asked is none. */
  malformed: 7,
  /** The other side is shutting down. */
  goingAway: 8,
  /** The session ended before the answer came. Never on the wire. */
  lost: 9,
  /** The message id is another message's. */
  conflict: 10,
  /** Done under this message id before, and the answer is kept no more. */
  forgotten: 11,
  /** `stored` was asked for, and this side has no store that keeps anything: the message was not handled. */
  unstorable: 12,
  /** The store failed, or was too slow: the message was handled, and whether it is stored is not known. */
  unstored: 13,
  /** Asked too early, and not done: it is asked again in the session. No application sees it. */
  tooEarly: 14,
} as const;

/**
 * A failure that a request handler tells who asked: thrown, it is the answer. Of all else that is thrown, who asked
 * learns no more than that it was `internal`.
 */
export class RequestFailure extends Error {
  /** See {@link FailureCode}. */
  readonly code: number;
  /** When it may be asked again; undefined where that is not said. */
  readonly retryAfterMs: number | undefined;

  /**
   * @param reason text for people; who asked gets it, up to 1,024 characters.
   * @param options `retryAfterMs`, 0..2^32-1: from then on asking again may help.
   * @throws InvalidArgumentError
   */
  constructor(
    reason: string,
    code: number = FailureCode.failed,
    options: { readonly retryAfterMs?: number | undefined } = {},
  ) {
    super(reason);
    this.name = "RequestFailure";
    this.code = code;
    this.retryAfterMs = options.retryAfterMs;
    if (this.retryAfterMs !== undefined) u32(this.retryAfterMs, "retryAfterMs");
  }
}

/** The answer to a request that went well; its bytes are the caller's own. */
export interface Success<Value = unknown> {
  readonly status: "success";
  readonly payload: Uint8Array;
  readonly meta: readonly MetaEntry[];
  /** The payload as text. */
  text(): string;
  /** The payload as JSON says it. @throws SyntaxError */
  json(): Value;
}

/** What became of a request. */
export type Reply<Value = unknown> =
  | Success<Value>
  /**
   * `code` is one of {@link FailureCode}, or the application's. `retryAfterMs` is there where who answered has said when
   * asking again may help.
   */
  | {
      readonly status: "failure";
      readonly code: number;
      readonly reason: string;
      readonly retryAfterMs?: number | undefined;
    }
  | { readonly status: "timeout" };

export type Failure = Extract<Reply, { readonly status: "failure" }>;
