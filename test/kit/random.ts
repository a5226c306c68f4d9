/** Numbers that look random and are the same each time, from 0 to below `below` (xorshift32). */
export function seededRandom(seed: number): (below: number) => number {
  let state = seed >>> 0 || 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state % below;
  };
}

export function seededBytes(random: (below: number) => number, bytes: number): Buffer {
  return Buffer.from(Array.from({ length: bytes }, () => random(256)));
}
