import { readOptions } from "../../options/read.js";
import { abortSignal, object, optional } from "../../options/schema.js";
import { closeOptions } from "../../transport/close.js";
import { MAX_APPLICATION_CODE } from "../argument.js";
import type { QuicCloseOptions } from "../connection.js";

const schema = object({
  ...closeOptions(MAX_APPLICATION_CODE),
  signal: optional(abortSignal),
} satisfies Record<keyof QuicCloseOptions, unknown>);

/** @throws InvalidArgumentError */
export function readQuicCloseOptions(options: QuicCloseOptions) {
  return readOptions(schema, options);
}
