/** Pages that are not isolated from other sites have no such memory. */
const canShare = typeof SharedArrayBuffer !== "undefined";

/**
 * Bytes in memory that no other thread writes: a copy, where they lie in shared memory. What reads a stranger's bytes
 * twice must find the same ones, and native code that knows no shared memory reads beside it.
 */
export function unshared(bytes: Uint8Array): Uint8Array {
  return canShare && bytes.buffer instanceof SharedArrayBuffer ? new Uint8Array(bytes) : bytes;
}
