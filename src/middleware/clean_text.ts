/**
 * What could end a line, move a terminal's cursor or turn text around: controls (C0, DEL, C1), the line and paragraph
 * separators, marks that change the direction of writing, and halves of surrogate pairs.
 */
const unsafe = /[\p{Cc}\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\p{Cs}]/gu;

/**
 * A stranger's text as it may be written to a log: one line, nothing in it that a terminal or a log's reader acts on,
 * and no longer than `maxCharacters` and an ellipsis. What is escaped reads `\u{a}`; a backslash stays one, so that it
 * is read by people and not parsed back.
 */
export function cleanText(text: string, maxCharacters = 256): string {
  const isLong = text.length > maxCharacters;
  const cut = isLong ? text.slice(0, maxCharacters) : text;
  const safe = cut.replace(unsafe, (character) => `\\u{${character.codePointAt(0)!.toString(16)}}`);
  return isLong ? `${safe}…` : safe;
}
