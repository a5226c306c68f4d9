import { FrameMalformedError } from "../errors.js";

const quote = 0x22;
const backslash = 0x5c;
const comma = 0x2c;
const openBracket = 0x5b;
const openBrace = 0x7b;

/**
 * Throws where JSON has more than `most` of `{`, `[` and `,` outside of its strings. JSON.parse makes something of each
 * value and each level, however small: a megabyte of them would take a thread a good part of a second. Its time is
 * linear, and it allocates nothing; what is no JSON at all is for the parser to say.
 */
export function checkJsonShape(json: Uint8Array, most: number): void {
  let count = 0;
  for (let at = 0; at < json.length; at++) {
    const byte = json[at];
    if (byte === quote) {
      at = endOfString(json, at);
    } else if (byte === comma || byte === openBracket || byte === openBrace) {
      count += 1;
      if (count > most) throw new FrameMalformedError("a line has more values than any frame");
    }
  }
}

/** Where the string that begins at `at` ends: at its second quote, or with the line. */
function endOfString(json: Uint8Array, at: number): number {
  for (let end = json.indexOf(quote, at + 1); end >= 0; end = json.indexOf(quote, end + 1)) {
    let escapes = 0;
    while (json[end - 1 - escapes] === backslash) escapes += 1;
    if (escapes % 2 === 0) return end;
  }
  return json.length;
}
