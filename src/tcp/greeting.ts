/**
 * How two ends agree on a protocol where no ALPN has: on clear TCP, and in TLS from a client without ALPN. A line each:
 *
 * ```text
 * client  MILLRACE millrace/1 millrace-json/1      what it speaks, the most wanted first
 * server  MILLRACE millrace/1                      what it chose
 *     or  MISMATCH millrace/1                      nothing of these; what it speaks instead
 * ```
 *
 * It is needed since the first bytes of a frame can be anything: they are the low ones of its length.
 * @see docs/wire.md section 10
 */
const hello = "MILLRACE";
const mismatch = "MISMATCH";

/** The longest greeting and answer, with the newline. */
export const maxGreetingBytes = 4096;

const newline = 0x0a;
const carriageReturn = 0x0d;

/** Protocols' names on one line: none of them can hold a space or an end of it. */
function format(word: string, protocols: readonly string[]): string {
  return `${[word, ...protocols.map(escapeName)].join(" ")}\n`;
}

/** A client's greeting. */
export function formatHello(protocols: readonly string[]): string {
  return format(hello, protocols);
}

/** A server's answer to one who speaks what it does not. */
export function formatMismatch(protocols: readonly string[]): string {
  const line = format(mismatch, protocols);
  return line.length <= maxGreetingBytes ? line : `${mismatch}\n`;
}

/** What a greeting or an answer says. */
export interface Greeting {
  readonly agrees: boolean;
  readonly protocols: readonly string[];
  /** How long its line is. */
  readonly bytes: number;
}

/** What was read last, and its line: nearly all clients of a server say the same. */
let lastLine = Buffer.alloc(0);
let last: Greeting | undefined;

/** Reads a greeting or an answer: undefined where it is unfinished, `"none"` where it cannot become one. */
export function parseGreeting(bytes: Buffer): Greeting | "none" | undefined {
  const { length } = lastLine;
  if (last !== undefined && bytes.length >= length && lastLine.compare(bytes, 0, length) === 0) return last;
  const end = bytes.subarray(0, maxGreetingBytes).indexOf(newline);
  if (!mayBeWord(bytes, hello) && !mayBeWord(bytes, mismatch)) return "none";
  if (end < 0) return bytes.length < maxGreetingBytes ? undefined : "none";
  const until = bytes[end - 1] === carriageReturn ? end - 1 : end;
  const [word, ...names] = bytes.toString("latin1", 0, until).split(" ");
  if (word !== hello && word !== mismatch) return "none";
  const protocols = names.map(unescapeName);
  if (protocols.includes(undefined)) return "none";
  last = { agrees: word === hello, protocols: protocols as string[], bytes: end + 1 };
  lastLine = Buffer.from(bytes.subarray(0, last.bytes));
  return last;
}

/** Whether a connection begins with a line of an object: `{`, or the white space that JSON allows before it. */
export function beginsLine(byte: number): boolean {
  return byte === 0x7b || byte === 0x20 || byte === 0x09 || byte === newline || byte === carriageReturn;
}

/** Whether what has come is the beginning of the word. */
function mayBeWord(bytes: Buffer, word: string): boolean {
  const length = Math.min(bytes.length, word.length);
  return bytes.toString("latin1", 0, length) === word.slice(0, length);
}

function escapeName(name: string): string {
  return [...Buffer.from(name)]
    .map((byte) =>
      byte > 0x20 && byte < 0x7f && byte !== 0x25 ? String.fromCharCode(byte) : escapeByte(byte),
    )
    .join("");
}

function escapeByte(byte: number): string {
  return `%${byte.toString(16).padStart(2, "0")}`;
}

function unescapeName(name: string): string | undefined {
  try {
    return name === "" ? undefined : decodeURIComponent(name);
  } catch {
    return undefined;
  }
}
