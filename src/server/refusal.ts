import { RejectCode } from "../delivery/reject.js";
import { targetOption } from "../delivery/target.js";
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
  /** Where it may come instead: a URL; undefined where there is none. */
  readonly target: string | undefined;

  constructor(code: number, reason: string, retryAfterMs?: number, target?: string) {
    this.code = code;
    this.reason = reason;
    this.retryAfterMs = retryAfterMs;
    this.target = target;
  }
}

const schema = object({
  code: withDefault(integer(1, 0xffff_ffff), RejectCode.unauthenticated as number),
  retryAfterMs: optional(integer(0, 0xffff_ffff)),
  target: optional(targetOption),
});

/** What a refusal says beside its reason. */
export interface RefuseOptions {
  /** Of {@link RejectCode}, or the application's own; `RejectCode.unauthenticated` by default. */
  readonly code?: number | undefined;
  /** When the client may come again. */
  readonly retryAfterMs?: number | undefined;
  /** Where it may come instead: a URL. With `RejectCode.elsewhere` a client that resumes goes there by itself. */
  readonly target?: string | undefined;
}

/** What `authenticate` returns for a client that is not let in. @throws InvalidArgumentError */
export function refuse(reason = "not let in", options: RefuseOptions = {}): Refusal {
  const { code, retryAfterMs, target } = readOptions(schema, options);
  return new Refusal(code, String(reason), retryAfterMs, target);
}

/** When who finds no room, or nobody there, may come again. */
export const comeAgainMs = 5_000;

/** Whatever it was, it says nothing of the client, who may come again. */
export function refuseFault(): Refusal {
  return refuse("a fault of the server", { code: RejectCode.internal });
}

/** There is no room now; another time there may be. */
export function refuseFull(reason: string): Refusal {
  return refuse(reason, { code: RejectCode.full, retryAfterMs: comeAgainMs });
}
