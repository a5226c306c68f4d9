import { InvalidArgumentError } from "../errors.js";
import { show } from "./read.js";

/**
 * Checks a behaviour. It may be an instance with members of its own, so other names are not looked at.
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
}
