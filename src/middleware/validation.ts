import { FailureCode, RequestFailure } from "../delivery/failure.js";
import { InvalidArgumentError } from "../errors.js";
import { readOptions } from "../options/read.js";
import { flag, integer, isRecord, object, oneOf, option, optional, withDefault } from "../options/schema.js";
import type { Incoming, Middleware } from "../server/middleware.js";
import { checkPattern, checkSubject, matches } from "../topic/subject.js";
import { cleanText } from "./clean_text.js";
import { encodePayload, parsePayload } from "./json_payload.js";
import {
  describeIssues,
  isStandardSchema,
  type StandardResult,
  type StandardSchema,
} from "./standard_schema.js";

type Schemas = Readonly<Record<string, StandardSchema>>;

/** What {@link validation} checks, by what. */
export interface ValidationOptions {
  /** By the application's message type: `{ 1: schema }`. */
  readonly messages?: Schemas | undefined;
  /** By the subject of a request. */
  readonly requests?: Schemas | undefined;
  /** By a pattern of the subject that is published to; the first that matches counts. */
  readonly publications?: Schemas | undefined;
  /** What becomes of what has no schema, where its kind has any: `refuse` (the default) or `pass`. */
  readonly others?: "refuse" | "pass" | undefined;
  /** Whether schemas may be asynchronous; default false. If so, everything that comes in is run by the dispatcher. */
  readonly asynchronous?: boolean | undefined;
  /** The most values, elements and levels of one payload, 1..10,000,000; 10,000 by default. */
  readonly maxValues?: number | undefined;
}

/** A middleware that validates what comes in. */
export interface ValidationMiddleware<Data> extends Middleware<Data> {
  /** What a schema made of a message or request, for its handler; undefined of what was not validated. */
  value(incoming: object): unknown;
}

const schemas = optional(
  option<Schemas>(
    "an object of Standard Schemas",
    (value) => isRecord(value) && Object.values(value as object).every(isStandardSchema),
  ),
);

const schema = object({
  messages: schemas,
  requests: schemas,
  publications: schemas,
  others: withDefault(oneOf("refuse", "pass"), "refuse"),
  asynchronous: withDefault(flag, false),
  maxValues: withDefault(integer(1, 10_000_000), 10_000),
} satisfies Record<keyof ValidationOptions, unknown>);

/**
 * Validates payloads, which must be JSON, by any Standard Schema. What is valid goes on as its schema made it: defaults
 * filled in, unknown names gone, and written anew, so that a handler reads nothing that was not validated. What is not
 * fails as `malformed`, with the first issues as its reason; a message ends there.
 * @throws InvalidArgumentError
 */
// biome-ignore lint/suspicious/noExplicitAny: it fits sessions of any data
export function validation<Data = any>(options: ValidationOptions): ValidationMiddleware<Data> {
  const read = readOptions(schema, options);
  const schemaOf = finder(read);
  const values = new WeakMap<object, unknown>();

  const accept = (incoming: Incoming, result: StandardResult<unknown>, next: () => unknown): unknown => {
    if (result.issues !== undefined) return refuse(incoming, describeIssues(result.issues));
    incoming.payload = encodePayload(result.value);
    values.set(incoming, result.value);
    return next();
  };

  /** Calls `next` where the payload is valid, at once or later. */
  const judge = (incoming: Incoming, next: () => unknown): unknown => {
    const found = schemaOf(incoming);
    if (found === "pass") return next();
    if (found === undefined) return refuse(incoming, "there is no schema for it");
    let value: unknown;
    try {
      value = parsePayload(incoming.payload, read.maxValues);
    } catch {
      return refuse(incoming, "the payload is no JSON that is accepted");
    }
    const result = found["~standard"].validate(value);
    if (!(result instanceof Promise)) return accept(incoming, result, next);
    if (read.asynchronous) return result.then((settled) => accept(incoming, settled, next));
    result.catch(() => {});
    throw new InvalidArgumentError("a schema is asynchronous: set the option asynchronous of validation()");
  };

  return {
    name: "validation",
    // The server tells by the function which of them it must run one after the other.
    incoming: read.asynchronous
      ? async (_session, incoming, next) => judge(incoming, next)
      : (_session, incoming, next) => judge(incoming, next),
    value: (incoming) => values.get(incoming),
  };
}

function refuse({ kind }: Incoming, why: string): undefined {
  if (kind === "message") return undefined;
  throw new RequestFailure(cleanText(why, 500), FailureCode.malformed);
}

/** @throws InvalidArgumentError where a name is not what it must be */
function finder({
  messages,
  requests,
  publications,
  others,
}: Pick<ValidationOptions, "messages" | "requests" | "publications" | "others">): (
  incoming: Incoming,
) => StandardSchema | "pass" | undefined {
  const byType = mapOf(messages, (name) => {
    const type = Number(name);
    if (String(type >>> 0) !== name)
      throw new InvalidArgumentError(`messages has "${cleanText(name)}", which is no message type`);
  });
  const bySubject = mapOf(requests, (name) => checkSubject(name, "a name in requests"));
  const byPattern = mapOf(publications, (name) => checkPattern(name, "a name in publications"));
  const rest = others === "pass" ? "pass" : undefined;
  return ({ kind, type, subject = "" }) => {
    if (kind === "message") return byType === undefined ? "pass" : (byType.get(String(type)) ?? rest);
    if (kind === "request") return bySubject === undefined ? "pass" : (bySubject.get(subject) ?? rest);
    if (kind !== "publish" || byPattern === undefined) return "pass";
    for (const [pattern, found] of byPattern) if (matches(pattern, subject)) return found;
    return rest;
  };
}

function mapOf(
  given: Schemas | undefined,
  check: (name: string) => void,
): Map<string, StandardSchema> | undefined {
  if (given === undefined) return undefined;
  for (const name of Object.keys(given)) check(name);
  return new Map(Object.entries(given));
}
