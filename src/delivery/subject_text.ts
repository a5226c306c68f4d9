import { readOptions } from "../options/read.js";
import { type Option, object, option } from "../options/schema.js";

const maxCharacters = 256;

/** What a message or a request is about. Those of topics have stricter rules. */
export const subjectText: Option<string> = option(
  `text of 1 to ${maxCharacters} characters, none of them a control character`,
  (value) => typeof value === "string" && isSubjectText(value),
);

const schema = object({ subject: subjectText });

/** @throws InvalidArgumentError */
export function checkSubjectText(subject: unknown): string {
  return readOptions(schema, { subject }, "a request").subject;
}

function isSubjectText(text: string): boolean {
  return text.length > 0 && text.length <= maxCharacters && !/\p{Cc}/u.test(text);
}
