import { InvalidArgumentError } from "../errors.js";
import { show } from "../options/read.js";
import { utf8Length } from "../options/utf8_length.js";

/**
 * Subjects name topics: tokens with a dot between them, like `chat.room.42`. Patterns are what is subscribed to and
 * what access rules name: subjects in which a token may be `*`, any one token, and the last may be `>`, one or more.
 * (NATS's rules, so that a subject can cross into it unchanged; but a pattern has no more than four `*`.)
 *
 * **Nothing is rewritten.** A subject has one spelling: what is not in Unicode's normalisation form C is refused, as
 * are white space, control characters and lone surrogates anywhere, `*` and `>` inside of other tokens, and empty
 * tokens. So a rule is asked about the very string that is matched afterwards, two subjects are the same if and only
 * if their strings are, and upper and lower case differ.
 */

/** The longest subject or pattern, in UTF-8. */
export const maxSubjectBytes = 256;

/** The most tokens of a subject or pattern. */
export const maxSubjectTokens = 16;

/** The most `*` of a pattern. It bounds what a publish costs, whatever others subscribe to (pattern_trie.ts). */
export const maxPatternStars = 4;

const dot = 0x2e;
const star = 0x2a;
const rest = 0x3e;

/** Beyond ASCII: every white space and line end, C1 controls, and halves of surrogate pairs. */
const forbidden = /[\s\p{Cc}\p{Cs}]/u;

/** Whether it can name a topic. Never throws, whatever it is given. */
export function isSubject(value: unknown): value is string {
  return faultOf(value, false) === undefined;
}

/** Whether it can be subscribed to. Every subject is a pattern: of itself alone. */
export function isPattern(value: unknown): value is string {
  return faultOf(value, true) === undefined;
}

/**
 * What is wrong with a subject, in words that complete "subject …"; undefined where nothing is. For whom a wrong one
 * is no surprise: nothing is thrown, so a peer that floods with them costs little.
 */
export function subjectFault(value: unknown): string | undefined {
  return faultOf(value, false);
}

/** The same of a pattern. */
export function patternFault(value: unknown): string | undefined {
  return faultOf(value, true);
}

/** @throws InvalidArgumentError that says what is wrong with it, `what` being its name. */
export function checkSubject(value: unknown, what = "subject"): asserts value is string {
  const fault = faultOf(value, false);
  if (fault !== undefined) throw new InvalidArgumentError(`${what} ${fault}, and not ${show(value)}`);
}

/** @throws InvalidArgumentError that says what is wrong with it, `what` being its name. */
export function checkPattern(value: unknown, what = "pattern"): asserts value is string {
  const fault = faultOf(value, true);
  if (fault !== undefined) throw new InvalidArgumentError(`${what} ${fault}, and not ${show(value)}`);
}

/** Whether a pattern has no wildcard, and so matches one subject: itself. */
export function isLiteral(pattern: string): boolean {
  // In a pattern they are nothing but wildcards. `>` is the last character or nowhere.
  return !pattern.includes("*") && pattern.charCodeAt(pattern.length - 1) !== rest;
}

/** Whether a valid pattern matches a valid subject; in one pass over both. */
export function matches(pattern: string, subject: string): boolean {
  return covers(pattern, subject);
}

/**
 * Whether a pattern matches every subject that another matches: whether a right to subscribe to the one is a right to
 * subscribe to the other. `chat.*` does not cover `chat.>`.
 */
export function covers(pattern: string, other: string): boolean {
  let at = 0;
  let otherAt = 0;
  while (at < pattern.length && otherAt < other.length) {
    const code = pattern.charCodeAt(at);
    if (code === rest) return true;
    const end = tokenEnd(pattern, at);
    const otherEnd = tokenEnd(other, otherAt);
    if (code === star) {
      if (other.charCodeAt(otherAt) === rest) return false;
    } else if (!sameToken(pattern, at, end, other, otherAt, otherEnd)) {
      return false;
    }
    at = end + 1;
    otherAt = otherEnd + 1;
  }
  return at >= pattern.length && otherAt >= other.length;
}

/**
 * Whether there is a subject that both match: whether a subscription to the one would let through some of what a
 * rule that forbids the other is to keep back.
 */
export function overlaps(pattern: string, other: string): boolean {
  let at = 0;
  let otherAt = 0;
  while (at < pattern.length && otherAt < other.length) {
    const code = pattern.charCodeAt(at);
    const otherCode = other.charCodeAt(otherAt);
    if (code === rest || otherCode === rest) return true;
    const end = tokenEnd(pattern, at);
    const otherEnd = tokenEnd(other, otherAt);
    const isWild = code === star || otherCode === star;
    if (!isWild && !sameToken(pattern, at, end, other, otherAt, otherEnd)) return false;
    at = end + 1;
    otherAt = otherEnd + 1;
  }
  return at >= pattern.length && otherAt >= other.length;
}

/** Where the token that begins at `at` ends: at a dot, or at the end of the text. */
function tokenEnd(text: string, at: number): number {
  const end = text.indexOf(".", at);
  return end < 0 ? text.length : end;
}

function sameToken(
  a: string,
  aStart: number,
  aEnd: number,
  b: string,
  bStart: number,
  bEnd: number,
): boolean {
  if (aEnd - aStart !== bEnd - bStart) return false;
  for (let i = 0; i < aEnd - aStart; i++) {
    if (a.charCodeAt(aStart + i) !== b.charCodeAt(bStart + i)) return false;
  }
  return true;
}

function faultOf(value: unknown, allowWildcards: boolean): string | undefined {
  if (typeof value !== "string" || value === "") return "must be a string of at least one token";
  // A character takes a byte or more, so what is far too long is not looked at.
  if (value.length > maxSubjectBytes) return tooLong;
  let tokens = 1;
  let tokenStart = 0;
  let stars = 0;
  let isAscii = true;
  for (let i = 0; i < value.length; i++) {
    const code = value.charCodeAt(i);
    if (code === dot) {
      if (i === tokenStart) return emptyToken;
      tokens += 1;
      tokenStart = i + 1;
    } else if (code <= 0x20 || code === 0x7f) {
      return forbiddenCharacter;
    } else if (code === star || code === rest) {
      if (!allowWildcards) return "must have no wildcard";
      if (i !== tokenStart || !endsAt(value, i + 1, code)) return misplacedWildcard;
      if (code === star) stars += 1;
    } else if (code > 0x7f) {
      isAscii = false;
    }
  }
  if (tokenStart === value.length) return emptyToken;
  if (tokens > maxSubjectTokens) return `must have at most ${maxSubjectTokens} tokens`;
  if (stars > maxPatternStars) return `must have at most ${maxPatternStars} \`*\``;
  return isAscii ? undefined : faultBeyondAscii(value);
}

const tooLong = `must be at most ${maxSubjectBytes} bytes long in UTF-8`;
const emptyToken = "must have no empty token: no dot at an end, and no two in a row";
const forbiddenCharacter = "must have no white space, control character or lone surrogate";
const misplacedWildcard = "must have `*` as a whole token only, and `>` as the whole of the last";

/** Whether a wildcard's token ends at `at`: with the text, or but for `>` at a dot. */
function endsAt(value: string, at: number, wildcard: number): boolean {
  return at === value.length || (wildcard === star && value.charCodeAt(at) === dot);
}

function faultBeyondAscii(value: string): string | undefined {
  if (forbidden.test(value)) return forbiddenCharacter;
  if (utf8Length(value) > maxSubjectBytes) return tooLong;
  if (value.normalize("NFC") !== value) return "must be in Unicode's normalisation form C";
  return undefined;
}
