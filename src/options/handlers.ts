import { InvalidArgumentError } from "../errors.js";
import { nearest } from "./nearest.js";
import { show } from "./read.js";

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
  if (typeof behaviour !== "object" || behaviour === null || Array.isArray(behaviour)) {
    throw new InvalidArgumentError(`behaviour must be an object of handlers, and not ${show(behaviour)}`);
  }
  for (const name of names) {
    const handler: unknown = (behaviour as Readonly<Record<string, unknown>>)[name];
    if (typeof handler === "function" || (handler === undefined && !required.includes(name))) continue;
    throw new InvalidArgumentError(`behaviour.${name} must be a function, and not ${show(handler)}`);
  }
  for (const [given, value] of Object.entries(behaviour)) {
    if (typeof value !== "function" || names.includes(given)) continue;
    const meant = nearest(given.replace(/^on(?=[A-Z])/, ""), names);
    if (meant === undefined || Object.hasOwn(behaviour, meant)) continue;
    warn(`behaviour.${given} is never called; there is ${meant}`, "MILLRACE_UNKNOWN_HANDLER");
  }
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
    if (typeof handlers !== "object") {
      throw new InvalidArgumentError(
        `behaviour.${name} must be an object of functions, and not ${show(handlers)}`,
      );
    }
    for (const [subject, handler] of Object.entries(handlers)) {
      if (typeof handler === "function") continue;
      throw new InvalidArgumentError(
        `behaviour.${name}[${show(subject)}] must be a function, and not ${show(handler)}`,
      );
    }
  }
}
