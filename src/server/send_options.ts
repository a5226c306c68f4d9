import { metaEntries } from "../delivery/meta.js";
import { checkSubjectText, subjectText } from "../delivery/subject_text.js";
import { InvalidArgumentError } from "../errors.js";
import { readOptions } from "../options/read.js";
import { integer, object, oneOf, option, optional, withDefault } from "../options/schema.js";
import { waitOptions } from "../transport/wait.js";
import type { RequestOptions, SendOptions } from "./session.js";

const MAX_DEADLINE_MS = 86_400_000;

const priority = optional(oneOf("control", "high", "normal", "bulk"));

const sendSchema = object({
  type: withDefault(integer(0, 0xffff_ffff), 0),
  subject: optional(subjectText),
  meta: optional(metaEntries),
  delivery: optional(oneOf("ordered", "unordered", "latest", "unreliable")),
  priority,
  key: optional(
    option<string>(
      "text of 1 to 256 characters",
      (value) => typeof value === "string" && value !== "" && value.length <= 256,
    ),
  ),
  deadlineMs: optional(integer(1, MAX_DEADLINE_MS)),
} satisfies Record<keyof SendOptions, unknown>);

const requestSchema = object({ ...waitOptions, priority } satisfies Record<keyof RequestOptions, unknown>);

/** @throws InvalidArgumentError */
export function readSendOptions(options: SendOptions) {
  const read = readOptions(sendSchema, options);
  if (read.delivery === "latest" && read.key === undefined) {
    throw new InvalidArgumentError('delivery "latest" needs a key: only the newest of each is sent');
  }
  return read;
}

/** @throws InvalidArgumentError */
export function readRequestOptions(subject: unknown, options: RequestOptions) {
  checkSubjectText(subject);
  return readOptions(requestSchema, options);
}
