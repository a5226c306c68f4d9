import { InvalidArgumentError, ProtocolViolationError } from "../errors.js";

/** The longest client id, in UTF-8 bytes. */
export const maxClientIdBytes = 256;

const encoder = new TextEncoder();

function fault(id: string): string | undefined {
  if (/[\p{Cc}\p{Cs}]/u.test(id)) return "a client id has no control characters and no lone surrogates";
  const bytes = encoder.encode(id).length;
  return bytes > maxClientIdBytes
    ? `a client id has at most ${maxClientIdBytes} bytes in UTF-8, not ${bytes}`
    : undefined;
}

/**
 * One of this side; an empty one is none.
 * @throws InvalidArgumentError
 */
export function checkClientId(id: string | undefined): string | undefined {
  if (id === undefined || id === "") return undefined;
  const wrong = fault(id);
  if (wrong !== undefined) throw new InvalidArgumentError(wrong);
  return id;
}

/** The peer's. @throws ProtocolViolationError */
export function readClientId(id: string | undefined): string | undefined {
  if (id === undefined || id === "") return undefined;
  const wrong = fault(id);
  if (wrong !== undefined) throw new ProtocolViolationError(wrong);
  return id;
}
