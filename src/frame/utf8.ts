/**
 * Whether `bytes[start..end)` is well-formed UTF-8 by the Unicode Standard, table 3-7: no surrogates, no
 * overlong forms, at most U+10FFFF. (A fatal TextDecoder says the same, but makes the string.)
 */
export function isUtf8(bytes: Uint8Array, start: number, end: number): boolean {
  let at = start;
  while (at < end) {
    const lead = bytes[at++]!;
    if (lead < 0x80) continue;
    const tail = tailBytes(lead);
    if (tail === 0 || end - at < tail) return false;
    const first = bytes[at]!;
    if (first < firstMin(lead) || first > firstMax(lead)) return false;
    for (let i = 1; i < tail; i++) {
      if ((bytes[at + i]! & 0xc0) !== 0x80) return false;
    }
    at += tail;
  }
  return true;
}

/** How many bytes follow a lead byte; 0 where it is none. */
function tailBytes(lead: number): number {
  if (lead >= 0xc2 && lead <= 0xdf) return 1;
  if (lead >= 0xe0 && lead <= 0xef) return 2;
  if (lead >= 0xf0 && lead <= 0xf4) return 3;
  return 0;
}

function firstMin(lead: number): number {
  return lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80;
}

function firstMax(lead: number): number {
  return lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf;
}
