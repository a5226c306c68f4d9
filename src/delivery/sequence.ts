/**
 * Sequences number the messages of a lane: integers up to 2^53 - 1, of which the low 32 bits are on the wire. There 0
 * says that a message has none, so sequences whose low bits are 0 are left out: after 2^32 - 1 comes 2^32 + 1.
 * "0" is also what comes before the first, which is 1.
 */

/** The sequence after this one. */
export function nextSequence(sequence: number): number {
  const next = sequence + 1;
  return next >>> 0 === 0 ? next + 1 : next;
}

/** What of a sequence is on the wire. */
export function lowBits(sequence: number): number {
  return sequence >>> 0;
}

/**
 * The sequence nearest to `near` whose low 32 bits are these.
 * @returns at most 0 where there is none, since sequences begin at 1.
 */
export function widen(low32: number, near: number): number {
  return near + ((low32 - (near >>> 0)) | 0);
}

/** The high and low half, for formats that have both. */
export function highBits(sequence: number): number {
  return Math.floor(sequence / 0x1_0000_0000);
}

/** The opposite of {@link highBits} and {@link lowBits}. */
export function joinBits(high: number, low: number): number {
  return high * 0x1_0000_0000 + low;
}
