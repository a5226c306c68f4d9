import { createHash, randomFillSync } from "node:crypto";

/** A session's id: 128 random bits. */
export const sessionIdBytes = 16;

const pool = new Uint8Array(sessionIdBytes * 256);
let used = pool.length;

/** A new one, the caller's own. Random bytes are fetched for many at once. */
export function newSessionId(): Uint8Array {
  if (used === pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  used += sessionIdBytes;
  return pool.slice(used - sessionIdBytes, used);
}

/** As the table and the index have it. */
export function idWords(id: Uint8Array): Uint32Array {
  return new Uint32Array(id.slice().buffer);
}

/** As people and logs have it: 32 hexadecimal digits. */
export function idText(id: Uint8Array): string {
  return Buffer.from(id.buffer, id.byteOffset, id.length).toString("hex");
}

/** Reads what {@link idText} writes; undefined for anything else. */
export function parseId(text: string): Uint8Array | undefined {
  return /^[0-9a-f]{32}$/.test(text) ? new Uint8Array(Buffer.from(text, "hex")) : undefined;
}

/** Under which words the index has a client id: 128 bits of its SHA-256. */
export function clientWords(clientId: string): Uint32Array {
  const digest = createHash("sha256").update(clientId).digest();
  return idWords(digest.subarray(0, sessionIdBytes));
}
