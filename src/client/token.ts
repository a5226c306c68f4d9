import { maxTokenBytes } from "../delivery/hello.js";
import { payloadOf } from "../delivery/payload.js";
import { InvalidArgumentError } from "../errors.js";
import { show } from "../options/read.js";
import { utf8Length } from "../options/utf8_length.js";
import { within } from "../transport/wait.js";

/**
 * Gives a token, which may be another one each time: asked whenever the client says hello, so before every connection.
 * @param signal fires when nobody waits for it any more, after `connectTimeoutMs` at the latest.
 */
export type TokenSource = (signal: AbortSignal) => string | Uint8Array | PromiseLike<string | Uint8Array>;

export const tokenWords = `text or bytes, at most ${maxTokenBytes}, or a function that gives them`;

export function isToken(value: unknown): boolean {
  if (typeof value === "string") return utf8Length(value) <= maxTokenBytes;
  return value instanceof Uint8Array && value.length <= maxTokenBytes;
}

/**
 * What the server is shown now.
 * @throws what the source throws; AbortedError, TimeoutError; InvalidArgumentError for what is no token
 */
export async function tokenBytes(
  token: string | Uint8Array | TokenSource,
  signal: AbortSignal | undefined,
  timeoutMs: number,
): Promise<Uint8Array> {
  if (typeof token !== "function") return payloadOf(token, "token");
  const asking = new AbortController();
  try {
    const given = Promise.resolve(token(asking.signal));
    const fresh = await within(given, "the token", { signal, timeoutMs });
    if (isToken(fresh)) return payloadOf(fresh, "token");
    throw new InvalidArgumentError(`token must give ${tokenWords.split(", or")[0]}, and not ${show(fresh)}`);
  } finally {
    asking.abort();
  }
}
