const samples = 256;
/** Of 256 bytes of noise about 162 are different, and never so few; text has less than 100. */
const leastOfNoise = 132;

/**
 * Whether bytes look like what is compressed or encrypted already, as pictures are: no compression makes them smaller, and
 * trying costs as much as where it helps.
 */
export function looksLikeNoise(bytes: Uint8Array): boolean {
  if (bytes.length < samples) return false;
  const step = Math.floor(bytes.length / samples);
  const seen = new Uint8Array(256);
  let different = 0;
  for (let at = 0, end = step * samples; at < end; at += step) {
    const byte = bytes[at]!;
    different += 1 - seen[byte]!;
    seen[byte] = 1;
  }
  return different >= leastOfNoise;
}
