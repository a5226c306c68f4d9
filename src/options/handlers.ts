import { InvalidArgumentError } from "../errors.js";
import { nearest } from "./nearest.js";
import { show } from "./read.js";
import { isObject } from "./schema.js";

/**
 * Checks a behaviour. It may have members of its own, so a name that nearly is a handler's is warned of, not refused.
 * @param required those of the names that cannot be left out.
 * @throws InvalidArgumentError where it is no object, or one of its handlers no function.
 */
export function checkHandlers(
  behaviour: unknown,
  names: readonly string[],
  required: readonly string[] = [],
): void {
  checkHandlersOf("behaviour", behaviour, names, required);
}

/** The same of any object of handlers: `what` it is called in messages. @throws InvalidArgumentError */
export function checkHandlersOf(
  what: string,
  handlers: unknown,
  names: readonly string[],
  required: readonly string[] = [],
): void {
  checkObject(handlers, what);
  for (const name of names) {
    const handler = handlers[name];
    if (handler !== undefined || required.includes(name)) checkFunction(handler, `${what}.${name}`);
  }
  for (const [given, value] of Object.entries(handlers)) {
    if (typeof value !== "function" || names.includes(given)) continue;
    const meant = nearest(given.replace(/^on(?=[A-Z])/, ""), names);
    if (meant === undefined || Object.hasOwn(handlers, meant)) continue;
    warn(`${what}.${given} is never called; there is ${meant}`, "MILLRACE_UNKNOWN_HANDLER");
  }
}

/** The same of handlers alone, among which nothing else stands. @throws InvalidArgumentError also for another name */
export function checkOnlyHandlers(what: string, handlers: unknown, names: readonly string[]): void {
  checkObject(handlers, what);
  for (const [given, handler] of Object.entries(handlers)) {
    if (!names.includes(given)) throw new InvalidArgumentError(unknownName(what, given, names));
    if (handler !== undefined) checkFunction(handler, `${what}.${given}`);
  }
}

function unknownName(what: string, given: string, names: readonly string[]): string {
  const meant = nearest(given.replace(/^on(?=[A-Z])/, ""), names);
  const advice = meant === undefined ? `there are ${names.join(", ")}` : `did you mean ${meant}?`;
  return `${what}.${given} is never called; ${advice}`;
}

/** A page in a browser has a console only. */
function warn(message: string, code: string): void {
  if (typeof process === "undefined") console.warn(message);
  else process.emitWarning(message, { code });
}

/** Checks the handlers of a behaviour that are told apart by subject. @throws InvalidArgumentError */
export function checkHandlersBySubject(behaviour: object, ...names: readonly string[]): void {
  for (const name of names) {
    const handlers = (behaviour as Readonly<Record<string, unknown>>)[name] ?? {};
    checkObject(handlers, `behaviour.${name}`);
    for (const [subject, handler] of Object.entries(handlers)) {
      checkFunction(handler, `behaviour.${name}[${show(subject)}]`);
    }
  }
}

function checkObject(value: unknown, what: string): asserts value is Readonly<Record<string, unknown>> {
  if (isObject(value)) return;
  throw new InvalidArgumentError(`${what} must be an object of handlers, and not ${show(value)}`);
}

function checkFunction(value: unknown, what: string): void {
  if (typeof value === "function") return;
  throw new InvalidArgumentError(`${what} must be a function, and not ${show(value)}`);
}
