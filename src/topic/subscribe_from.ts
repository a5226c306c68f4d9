import { readOptions } from "../options/read.js";
import { object, option, optional } from "../options/schema.js";
import { type Cursor, checkCursor } from "./cursor.js";

/** From where on a topic's messages are wanted: after a cursor, all that is kept, or the newest alone. */
export type SubscribeFrom = Cursor | "oldest" | "last";

const schema = object({
  from: optional(
    option<SubscribeFrom>(
      '"oldest", "last" or a cursor',
      (value) => value === "oldest" || value === "last" || (typeof value === "object" && value !== null),
    ),
  ),
});

/** What `subscribe` is asked for. @throws InvalidArgumentError */
export function readSubscribeFrom(options: unknown): SubscribeFrom | undefined {
  const { from } = readOptions(schema, options);
  if (typeof from === "object") checkCursor(from, "from");
  return from;
}
