/** A session's id: 128 random bits, minted by the server. */
export const sessionIdBytes = 16;

const hexOf: readonly string[] = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

/** As people and logs have it: 32 hexadecimal digits. */
export function idText(id: Uint8Array): string {
  let text = "";
  for (const byte of id) text += hexOf[byte];
  return text;
}

/** Reads what {@link idText} writes; undefined for anything else. */
export function parseId(text: string): Uint8Array | undefined {
  if (text.length !== 2 * sessionIdBytes) return undefined;
  const id = new Uint8Array(sessionIdBytes);
  for (let at = 0; at < text.length; at += 2) {
    const byte = (digitAt(text, at) << 4) | digitAt(text, at + 1);
    if (byte < 0) return undefined;
    id[at >> 1] = byte;
  }
  return id;
}

/** -1 for what is none. */
function digitAt(text: string, index: number): number {
  const code = text.charCodeAt(index);
  if (code >= 0x30 && code <= 0x39) return code - 0x30; // "0" to "9"
  return code >= 0x61 && code <= 0x66 ? code - 0x57 : -1; // "a" to "f"
}
