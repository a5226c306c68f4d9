import type { FrameStatus } from "#internal/frame/verifier.js";

/** As native/frame/verifier.h numbers them. */
const statuses: readonly FrameStatus[] = [
  "valid",
  "size",
  "table",
  "offset",
  "vector",
  "string",
  "missing",
  "meta",
];
const blocks = 10;
const mutantsPerBlock = 5_000;

/**
 * One line for every 5,000 frames spoilt at random, the same ones each time: a hash of what the verifier says of
 * them. test/native/verifier_test.cc spoils the same frames, and must come to the same lines.
 * @param frames the valid frames of the corpus, by name
 */
export function digestMutants(
  frames: Readonly<Record<string, Uint8Array>>,
  verify: (frame: Uint8Array) => FrameStatus,
): string[] {
  const seeds = Object.keys(frames)
    .sort()
    .map((name) => frames[name]!)
    .filter((frame) => frame.length <= 2_000);
  let random = 1;
  const next = () => {
    random ^= random << 13;
    random ^= random >>> 17;
    random ^= random << 5;
    return random >>> 0;
  };
  return Array.from({ length: blocks }, () => {
    let hash = 0x811c9dc5; // FNV-1a
    for (let i = 0; i < mutantsPerBlock; i++) {
      const frame = seeds[next() % seeds.length]!.slice();
      for (let changes = 1 + (next() % 3); changes > 0; changes--) {
        const place = 4 + (next() % (frame.length - 4));
        frame[place] = next() % 2 === 0 ? next() % 128 : next();
      }
      hash = Math.imul(hash ^ statuses.indexOf(verify(frame)), 0x01000193) >>> 0;
    }
    return hash.toString(16).padStart(8, "0");
  });
}
