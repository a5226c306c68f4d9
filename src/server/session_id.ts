import { createHash, randomFillSync } from "node:crypto";
import { sessionIdBytes } from "../delivery/session_id.js";

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

/** Under which words the index has a client id: 128 bits of its SHA-256. */
export function clientWords(clientId: string): Uint32Array {
  const digest = createHash("sha256").update(clientId).digest();
  return idWords(new Uint8Array(digest.subarray(0, sessionIdBytes))); // a Buffer's slice would be no copy
}
