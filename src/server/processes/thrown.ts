import { inspect } from "node:util";

/** Something that was thrown, as it goes to another process: of an error what one reads, and of all else how it looks. */
export type Thrown =
  | {
      readonly type: "error";
      readonly name: string;
      readonly message: string;
      readonly stack: string | undefined;
      readonly code: string | undefined;
    }
  | { readonly type: "other"; readonly text: string }
  | { readonly type: "nothing" };

export function describeThrown(cause: unknown): Thrown {
  if (cause === undefined) return { type: "nothing" };
  if (!(cause instanceof Error)) return { type: "other", text: inspect(cause) };
  const { name, message, stack } = cause;
  const { code } = cause as { code?: unknown };
  return { type: "error", name, message, stack, code: typeof code === "string" ? code : undefined };
}

/** The same where it has come to: an error, text, or undefined. */
export function readThrown(thrown: Thrown): unknown {
  if (thrown.type === "nothing") return undefined;
  if (thrown.type === "other") return thrown.text;
  const { name, message, stack, code } = thrown;
  const error = Object.assign(new Error(message), code === undefined ? {} : { code });
  for (const [key, value] of Object.entries({ name, stack })) {
    Object.defineProperty(error, key, { value, configurable: true, writable: true }); // not enumerable, as of any error
  }
  return error;
}
