import * as v from "valibot";
import { InvalidArgumentError } from "../errors.js";
import { nearest } from "./nearest.js";
import { itemsOf } from "./schema.js";

type Entries = Readonly<Record<string, v.GenericSchema>>;

/**
 * Reads options by their schema.
 * @param name what the options are called: "options", or the path to them, like "tls".
 * @param prefix what their names begin with in messages: "tls.".
 * @returns them with every default filled in.
 * @throws InvalidArgumentError naming the first option that is wrong and what it may be, or the known name nearest
 *   to an unknown one.
 */
export function readOptions<Schema extends v.GenericSchema>(
  schema: Schema,
  given: unknown,
  name = "options",
  prefix = "",
): v.InferOutput<Schema> {
  let result: v.SafeParseResult<Schema>;
  try {
    // To valibot a list is an object without any of the options.
    if (Array.isArray(given) && entriesAt(schema, []) !== undefined) {
      throw new InvalidArgumentError(`${name} must be ${messageOf(schema)}, and not an array`);
    }
    result = v.safeParse(schema, given, { abortEarly: true });
  } catch (cause) {
    if (cause instanceof InvalidArgumentError) throw cause;
    throw new InvalidArgumentError(`${name} cannot be read: an accessor threw`, { cause });
  }
  if (result.success) return result.output;
  throw new InvalidArgumentError(explain(schema, result.issues[0], name, prefix));
}

function explain(schema: v.GenericSchema, issue: v.BaseIssue<unknown>, name: string, prefix: string): string {
  const keys = (issue.path ?? []).map((item) => String(item.key));
  const entries = entriesAt(schema, keys.slice(0, -1));
  const key = keys.at(-1);
  if (entries === undefined || key === undefined)
    return `${name} must be ${issue.message}, and not ${show(issue.input)}`;
  const path = prefix + keys.join(".");
  const option = entries[key];
  if (option === undefined) return unknownOption(path, key, Object.keys(entries));
  const isMissing = issue.type.endsWith("_object") && issue.input === undefined;
  if (!isMissing) return `${path} must be ${issue.message}, ${wrongIn(option, path, issue.input)}`;
  // It may be there by another name, which says more than that it is not.
  const given = Object.keys(issue.path!.at(-1)!.input as object);
  const unknown = given.find((name) => !Object.hasOwn(entries, name));
  if (unknown !== undefined && issue.type === "strict_object") {
    return unknownOption(path.slice(0, -key.length) + unknown, unknown, Object.keys(entries));
  }
  return `${path} must be ${messageOf(option)}, and not undefined`; // the object does not know what it should have been
}

/** What is wrong with a value: of a list, the first item that is. */
function wrongIn(option: v.GenericSchema, path: string, value: unknown): string {
  const isItem = itemsOf(option);
  if (isItem === undefined || !Array.isArray(value)) return `and not ${show(value)}`;
  const at = value.findIndex((item) => item === undefined || !isItem(item));
  return at < 0 ? "and not an empty one" : `and ${path}[${at}] is ${show(value[at])}`;
}

function unknownOption(path: string, key: string, known: readonly string[]): string {
  const meant = nearest(key, known);
  const advice = meant === undefined ? `there are ${known.join(", ")}` : `did you mean ${meant}?`;
  return `there is no option ${JSON.stringify(path)}; ${advice}`;
}

/** The options of the object at a path; undefined where there is none. */
function entriesAt(schema: v.GenericSchema, path: readonly string[]): Entries | undefined {
  let at: unknown = schema;
  for (const key of [...path, undefined]) {
    while (at !== undefined && (at as { wrapped?: unknown }).wrapped !== undefined) {
      at = (at as { wrapped: unknown }).wrapped; // what may be left out
    }
    const entries = (at as { entries?: Entries } | undefined)?.entries;
    if (key === undefined) return entries;
    at = entries?.[key];
  }
  return undefined;
}

function messageOf(schema: v.GenericSchema): string {
  return String((schema as { message?: unknown }).message ?? schema.expects);
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
