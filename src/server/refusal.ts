import { RejectCode } from "../delivery/reject.js";

/** Why a client is not let in: the same to all who fail to prove themselves, so that nobody learns which accounts are. */
export class Refusal {
  /** See {@link RejectCode}. */
  readonly code: number;
  /** Text for people; sent to the client. */
  readonly reason: string;
  /** When it may come again; undefined where it need not. */
  readonly retryAfterMs: number | undefined;

  constructor(code: number, reason: string, retryAfterMs?: number) {
    this.code = code;
    this.reason = reason;
    this.retryAfterMs = retryAfterMs;
  }
}

/** What `authenticate` returns for a client that is not let in. */
export function refuse(
  reason = "not let in",
  options: { readonly code?: number; readonly retryAfterMs?: number } = {},
): Refusal {
  return new Refusal(options.code ?? RejectCode.unauthenticated, reason, options.retryAfterMs);
}
