import { RejectCode } from "../delivery/reject.js";
import { readOptions } from "../options/read.js";
import { integer, object, optional, withDefault } from "../options/schema.js";

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

const schema = object({
  code: withDefault(integer(1, 0xffff_ffff), RejectCode.unauthenticated as number),
  retryAfterMs: optional(integer(0, 0xffff_ffff)),
});

/** What `authenticate` returns for a client that is not let in. @throws InvalidArgumentError */
export function refuse(
  reason = "not let in",
  options: { readonly code?: number | undefined; readonly retryAfterMs?: number | undefined } = {},
): Refusal {
  const { code, retryAfterMs } = readOptions(schema, options);
  return new Refusal(code, String(reason), retryAfterMs);
}
