import { FrameTooLargeError } from "../errors.js";
import { integer, object, withDefault } from "../options/schema.js";

/** How a message is published. */
export const publishSchema = object({ type: withDefault(integer(0, 0xffff_ffff), 0) });

/** @throws FrameTooLargeError for what is longer than a message may be */
export function checkPublished(payload: Uint8Array, maxMessageBytes: number): void {
  if (payload.length <= maxMessageBytes) return;
  throw new FrameTooLargeError(`the message has ${payload.length} bytes, and maxMessageBytes allows fewer`);
}
