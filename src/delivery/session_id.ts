/** A session's id: 128 random bits, minted by the server. */
export const sessionIdBytes = 16;

/** As people and logs have it: 32 hexadecimal digits. */
export function idText(id: Uint8Array): string {
  return Array.from(id, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Reads what {@link idText} writes; undefined for anything else. */
export function parseId(text: string): Uint8Array | undefined {
  return /^[0-9a-f]{32}$/.test(text) ? new Uint8Array(Buffer.from(text, "hex")) : undefined;
}
