/**
 * Which of some environments has a topic for its own, by rendezvous hashing: each gets a number that depends on the topic
 * and on itself alone, and the highest wins. So where one comes or ends only those topics move that come to it, or were
 * its own.
 * @param members ascending, at least one.
 */
export function homeOf(subject: string, members: readonly number[]): number {
  if (members.length === 1) return members[0]!;
  const hash = fnv1a(subject);
  let home = -1;
  let highest = -1;
  for (const member of members) {
    const weight = mixed(hash ^ Math.imul(member + 1, 0x9e37_79b1));
    if (weight <= highest) continue;
    highest = weight;
    home = member;
  }
  return home;
}

export const fnv1aBegin = 0x811c_9dc5;

/** FNV-1a over UTF-16 units. @param begin the hash of what stands before the text */
export function fnv1a(text: string, begin = fnv1aBegin): number {
  let hash = begin;
  for (let i = 0; i < text.length; i += 1) hash = Math.imul(hash ^ text.charCodeAt(i), 0x0100_0193);
  return hash;
}

/** MurmurHash3's last step: each bit of the hash changes about half of all. */
export function mixed(hash: number): number {
  let bits = hash;
  bits = Math.imul(bits ^ (bits >>> 16), 0x85eb_ca6b);
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2_ae35);
  return (bits ^ (bits >>> 16)) >>> 0;
}
