const modulus = 65_521;
/** Sums of so many stay exact. */
const runBytes = 65_536;

/** The checksum at the end of zlib's format (RFC 1950 section 8). */
export function adler32(bytes: Uint8Array): number {
  let low = 1;
  let high = 0;
  for (let from = 0; from < bytes.length; from += runBytes) {
    const end = Math.min(bytes.length, from + runBytes);
    for (let at = from; at < end; at += 1) {
      low += bytes[at]!;
      high += low;
    }
    low %= modulus;
    high %= modulus;
  }
  return high * 65_536 + low;
}
