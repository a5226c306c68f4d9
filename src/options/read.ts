import { InvalidArgumentError } from "../errors.js";
import { nearest } from "./nearest.js";
import type { Entries, Option } from "./schema.js";

/**
 * Reads options by their schema.
 * @param name what the options are called: "options", or the path to them, like "tls".
 * @param prefix what their names begin with in messages: "tls.".
 * @returns them with every default filled in.
 * @throws InvalidArgumentError naming the first option that is wrong and what it may be, or the known name nearest
 *   to an unknown one.
 */
export function readOptions<T>(schema: Option<T>, given: unknown, name = "options", prefix = ""): T {
  try {
    return valueAt(schema, given, name, prefix) as T;
  } catch (cause) {
    if (cause instanceof InvalidArgumentError) throw cause;
    throw new InvalidArgumentError(`${name} cannot be read: an accessor threw`, { cause });
  }
}

/** @param path what it is called. @param prefix what the names in it begin with. */
function valueAt(option: Option<unknown>, given: unknown, path: string, prefix: string): unknown {
  const { omitted, entries, allowed } = option;
  const value = given === undefined && omitted !== undefined ? omitted.value : given;
  if (value === undefined && omitted !== undefined) return value;
  if (!option.is(value)) {
    throw new InvalidArgumentError(`${path} must be ${allowed}, ${wrongIn(option, path, value)}`);
  }
  return entries === undefined ? value : entriesOf(entries, value as object, prefix, option.isLoose);
}

function entriesOf(entries: Entries, given: object, prefix: string, isLoose = false): object {
  const read: Record<string, unknown> = {};
  const values = given as Readonly<Record<string, unknown>>;
  for (const [name, option] of Object.entries(entries)) {
    const { omitted } = option;
    if (!(name in values)) {
      if (omitted?.value === undefined && omitted !== undefined) continue;
      // It may be there by another name, which says more than that it is not.
      if (omitted === undefined && !isLoose) refuseOthers(entries, given, prefix);
    }
    read[name] = valueAt(option, values[name], prefix + name, `${prefix}${name}.`);
  }
  if (!isLoose) refuseOthers(entries, given, prefix);
  return read;
}

/** @throws InvalidArgumentError */
function refuseOthers(entries: Entries, given: object, prefix: string): void {
  const known = Object.keys(entries);
  for (const name in given) {
    if (known.includes(name)) continue;
    const meant = nearest(name, known);
    const advice = meant === undefined ? `there are ${known.join(", ")}` : `did you mean ${meant}?`;
    throw new InvalidArgumentError(`there is no option ${JSON.stringify(prefix + name)}; ${advice}`);
  }
}

/** What is wrong with a value: of a list, the first item that is. */
function wrongIn({ isItem }: Option<unknown>, path: string, value: unknown): string {
  if (isItem === undefined || !Array.isArray(value)) return `and not ${show(value)}`;
  const at = value.findIndex((item) => item === undefined || !isItem(item));
  return at < 0 ? "and not an empty one" : `and ${path}[${at}] is ${show(value[at])}`;
}

/** A value as a message names it: short, and of one line. */
export function show(value: unknown): string {
  if (typeof value === "string") return quote(value.length > 40 ? `${value.slice(0, 40)}…` : value);
  if (Array.isArray(value)) return "an array";
  if (value instanceof Promise) return "a promise: await it";
  if (typeof value === "object" && value !== null) return "an object";
  return typeof value === "function" ? "a function" : String(value);
}

/** What JSON leaves as it is can still move a terminal's cursor (U+009B begins such a sequence) or turn a line around. */
function quote(text: string): string {
  return JSON.stringify(text).replace(
    /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu,
    (character) => `\\u{${character.codePointAt(0)!.toString(16)}}`,
  );
}
