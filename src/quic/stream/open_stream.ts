import { readOptions } from "../../options/read.js";
import { flag, integer, object, oneOf, withDefault } from "../../options/schema.js";
import { waitOptions } from "../../transport/wait.js";
import { DEFAULT_PRIORITY, MAX_PRIORITY } from "../argument.js";
import type { OpenStreamOptions } from "./stream.js";

const schema = object({
  direction: withDefault(oneOf("bidirectional", "unidirectional"), "bidirectional"),
  whenBlocked: withDefault(oneOf("wait", "fail"), "wait"),
  priority: withDefault(integer(0, MAX_PRIORITY), DEFAULT_PRIORITY),
  idempotent: withDefault(flag, false),
  ...waitOptions,
} satisfies Record<keyof OpenStreamOptions, unknown>);

export type ReadOpenStreamOptions = ReturnType<typeof read>;

function read(options: OpenStreamOptions) {
  return readOptions(schema, options);
}

// Streams are opened by the thousand, most of them like this.
const byDefault = read({});

/** @throws InvalidArgumentError */
export function readOpenStreamOptions(options: OpenStreamOptions | undefined): ReadOpenStreamOptions {
  return options === undefined ? byDefault : read(options);
}
