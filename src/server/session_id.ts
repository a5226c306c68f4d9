import { randomFillSync } from "node:crypto";
import { sessionIdBytes } from "../delivery/session_id.js";
import { sha256Hex } from "../delivery/sha256.js";

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

const words = new Uint32Array(sessionIdBytes / 4);
const wordBytes = Buffer.from(words.buffer);

/** As the table and the index have it, in one memory for all: valid until the next call. */
export function idWords(id: Uint8Array): Uint32Array {
  wordBytes.set(id);
  return words;
}

/** The same of an id as text. */
export function idWordsOf(text: string): Uint32Array {
  wordBytes.write(text, "hex");
  return words;
}

/** Under which words the index has a client id: 128 bits of its SHA-256. Valid as {@link idWords} are. */
export function clientWords(clientId: string): Uint32Array {
  wordBytes.write(sha256Hex(clientId), "hex"); // as much of it as has room
  return words;
}
