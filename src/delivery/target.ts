import { InvalidArgumentError, ProtocolViolationError } from "../errors.js";
import type { MetaEntry } from "../frame/frame.js";
import { option } from "../options/schema.js";
import { utf8Length } from "../options/utf8_length.js";
import { entry, type MetaReader, utf8 } from "./meta.js";

const maxTargetBytes = 2048;

/** As an option. */
export const targetOption = option<string>(
  `a URL of at most ${maxTargetBytes} bytes`,
  (value) => typeof value === "string" && URL.canParse(value) && utf8Length(value) <= maxTargetBytes,
);

/** Where a client is sent on to: a URL. @throws InvalidArgumentError */
export function targetEntries(target: string | undefined): MetaEntry[] {
  if (target !== undefined && !URL.canParse(target)) {
    throw new InvalidArgumentError(`target must be a URL, and not ${JSON.stringify(target)}`);
  }
  return entry("target", target === undefined ? undefined : utf8(target, maxTargetBytes, "target"));
}

/** @param kind as errors call the frame. @throws FrameMalformedError, ProtocolViolationError */
export function readTarget(meta: MetaReader, kind: string): string | undefined {
  const target = meta.text("target", maxTargetBytes);
  if (target === undefined || URL.canParse(target)) return target;
  throw new ProtocolViolationError(`the target of a ${kind} is no URL`);
}
