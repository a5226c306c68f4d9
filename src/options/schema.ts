import * as v from "valibot";
import { utf8Length } from "./utf8_length.js";

/**
 * The vocabulary in which every option of every call is stated: what a value may be, in words that complete "name
 * must be …", and the type it has then. Each word is annotated for bundlers: a page does not load options that it has not.
 */
export type Option<T> = v.GenericSchema<unknown, T>;

/** A whole number. */
// @__NO_SIDE_EFFECTS__
export function integer(min: number, max: number): Option<number> {
  return option(
    `an integer from ${min} to ${max}`,
    (value) => Number.isInteger(value) && (value as number) >= min && (value as number) <= max,
  );
}

/** Any number, whole or not. */
// @__NO_SIDE_EFFECTS__
export function number(min: number, max: number): Option<number> {
  const range = Number.isFinite(max) ? `from ${min} to ${max}` : `of at least ${min}`;
  return option(`a number ${range}`, (value) => typeof value === "number" && value >= min && value <= max);
}

/** A power of two. */
// @__NO_SIDE_EFFECTS__
export function powerOfTwo(min: number, max: number): Option<number> {
  return option(
    `a power of two from ${min} to ${max}`,
    (value) =>
      typeof value === "number" &&
      Number.isInteger(Math.log2(value)) &&
      (value as number) >= min &&
      (value as number) <= max,
  );
}

/** One of a few words. */
// @__NO_SIDE_EFFECTS__
export function oneOf<const Names extends readonly string[]>(...names: Names): Option<Names[number]> {
  const quoted = names.map((name) => JSON.stringify(name));
  const last = quoted.pop();
  return option(quoted.length === 0 ? `${last}` : `${quoted.join(", ")} or ${last}`, (value) =>
    names.includes(value as string),
  );
}

export const flag: Option<boolean> = option("true or false", (value) => typeof value === "boolean");

/** A list of at least `min` items; `allowed` describes all of it. */
// @__NO_SIDE_EFFECTS__
export function listOf<T>(
  allowed: string,
  min: number,
  isItem: (value: unknown) => boolean,
): Option<readonly T[]> {
  return withItems(
    option(allowed, (value) => isListOf(value, isItem) && value.length >= min),
    isItem,
  );
}

const itemChecks = new WeakMap<object, (value: unknown) => boolean>();

/** An option that may be a list: what its items are, so that a message can name the one that is wrong. */
// @__NO_SIDE_EFFECTS__
export function withItems<T>(schema: Option<T>, isItem: (value: unknown) => boolean): Option<T> {
  itemChecks.set(schema, isItem);
  return schema;
}

/** What {@link withItems} was told of an option, which may be one that can be left out. */
export function itemsOf(schema: v.GenericSchema): ((value: unknown) => boolean) | undefined {
  const { wrapped } = schema as { readonly wrapped?: v.GenericSchema };
  return wrapped === undefined ? itemChecks.get(schema) : itemsOf(wrapped);
}

/** `every` alone passes over holes. */
export function isListOf(value: unknown, isItem: (value: unknown) => boolean): value is readonly unknown[] {
  return Array.isArray(value) && !value.includes(undefined) && value.every(isItem);
}

/** Names of protocols (RFC 7301 section 3.1), the most wanted first. */
export const protocolNames: Option<readonly string[]> = option(
  "a list of at least one name of 1 to 255 bytes, 65535 bytes together",
  (value) => isListOf(value, isProtocolName) && value.length > 0 && bytesOfNames(value) <= 65_535,
);

function isProtocolName(value: unknown): boolean {
  return typeof value === "string" && value !== "" && utf8Length(value) <= 255;
}

function bytesOfNames(names: readonly unknown[]): number {
  return names.reduce((bytes: number, name) => bytes + 1 + utf8Length(name as string), 0);
}

/** Gives up what it was passed to. */
export const abortSignal: Option<AbortSignal> = option(
  "an AbortSignal",
  (value) => value instanceof AbortSignal && isGenuine(value),
);

/** What only has the prototype of a signal throws when it is asked. */
function isGenuine(signal: AbortSignal): boolean {
  try {
    return typeof signal.aborted === "boolean";
  } catch {
    return false;
  }
}

/** Anything else: `allowed` says in words what `is` checks. */
// @__NO_SIDE_EFFECTS__
export function option<T>(allowed: string, is: (value: unknown) => boolean): Option<T> {
  return v.custom<T>(is, allowed);
}

/** An option that may be left out, and what it is then. */
// @__NO_SIDE_EFFECTS__
export function withDefault<T>(schema: Option<T>, value: T) {
  return v.optional(schema, value);
}

/** An option that may be left out. */
// @__NO_SIDE_EFFECTS__
export function optional<T>(schema: Option<T>) {
  return v.optional(schema);
}

export function isObject(value: unknown): boolean {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** An object whose own names are what it holds: no Map, no array, no bytes. */
export function isRecord(value: unknown): boolean {
  return Object.prototype.toString.call(value) === "[object Object]";
}

export function isFunction(value: unknown): boolean {
  return typeof value === "function";
}

/** An object with these options and no others. */
// @__NO_SIDE_EFFECTS__
export function object<Entries extends v.ObjectEntries>(
  entries: Entries,
): v.StrictObjectSchema<Entries, string> {
  return v.strictObject(entries, `an object {${Object.keys(entries).join(", ")}}`);
}

/** An object with these, and perhaps with others that nobody looks at: one that something else gave out. */
// @__NO_SIDE_EFFECTS__
export function objectWith<Entries extends v.ObjectEntries>(
  entries: Entries,
): v.LooseObjectSchema<Entries, string> {
  return v.looseObject(entries, `an object with {${Object.keys(entries).join(", ")}}`);
}
