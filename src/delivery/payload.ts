import { checkBytes } from "../options/bytes.js";

const encoder = new TextEncoder();

/** Bytes as they are, text as UTF-8. @throws InvalidArgumentError */
export function payloadOf(payload: Uint8Array | string, what: string): Uint8Array {
  if (typeof payload === "string") return encoder.encode(payload);
  checkBytes(payload, what, "a Uint8Array or text");
  return payload;
}
