import { FrameMalformedError, ProtocolViolationError } from "../errors.js";
import { cursorBytes } from "../frame/cursor_bytes.js";
import type { MetaEntry } from "../frame/frame.js";
import type { MetaReader } from "./meta.js";

/** By topic: the cursor of the newest publication that a client has, as topics write them. */
export type Places = ReadonlyMap<string, Uint8Array>;

export const noPlaces: Places = new Map();
const key = "topic";
const maxTopicBytes = 256;
/** A frame names so many at the most; its metadata is for other things, too. */
export const maxPlaces = 256;
const encoder = new TextEncoder();
const decoder = /* @__PURE__ */ new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** One entry a topic: the cursor, then the topic. */
export function placeEntries(places: Places): MetaEntry[] {
  return Array.from(places, ([topic, cursor]) => {
    const name = encoder.encode(topic);
    const value = new Uint8Array(cursorBytes + name.length);
    value.set(cursor);
    value.set(name, cursorBytes);
    return { key, value };
  });
}

/** @throws FrameMalformedError, ProtocolViolationError */
export function readPlaces(meta: MetaReader): Places {
  const values = meta.all(key);
  if (values.length === 0) return noPlaces;
  if (values.length > maxPlaces) {
    throw new ProtocolViolationError(`a client names ${maxPlaces} topics at most, not ${values.length}`);
  }
  const places = new Map<string, Uint8Array>();
  for (const value of values) {
    const topic = topicOf(value);
    if (places.has(topic)) throw new ProtocolViolationError("a topic has two places");
    places.set(topic, value.slice(0, cursorBytes));
  }
  return places;
}

function topicOf(value: Uint8Array): string {
  const name = value.slice(cursorBytes);
  if (name.length === 0 || name.length > maxTopicBytes) {
    throw new FrameMalformedError(
      `"${key}" has ${cursorBytes} bytes and 1 to ${maxTopicBytes} of a topic's name`,
    );
  }
  try {
    return decoder.decode(name);
  } catch (cause) {
    throw new FrameMalformedError(`"${key}" is not UTF-8`, { cause });
  }
}
