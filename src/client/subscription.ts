import { FrameMalformedError, InvalidArgumentError } from "../errors.js";
import type { MetaEntry } from "../frame/frame.js";
import { show } from "../options/read.js";
import { type Cursor, decodeCursor, encodeCursor } from "../topic/cursor.js";
import { readSubscribeFrom, type SubscribeFrom } from "../topic/subscribe_from.js";

export type { SubscribeFrom };

/** What the server says of a subscription. */
export interface Subscription {
  /** Where the topic is; undefined for a pattern with wildcards. */
  readonly cursor: Cursor | undefined;
  /** Whether nothing is missing after the cursor that was given; what was missed is on its way. */
  readonly recovered: boolean;
  /** What is lost: there where something may be. */
  readonly gap: { readonly epoch: number; readonly oldest: number } | undefined;
}

/** @throws FrameMalformedError */
export function readSubscription(meta: readonly MetaEntry[]): Subscription {
  const gap = cursorOf(meta, "gap");
  return {
    cursor: cursorOf(meta, "cursor"),
    recovered: meta.some(({ key }) => key === "recovered"),
    gap: gap && { epoch: gap.epoch, oldest: gap.sequence },
  };
}

/** Where a publication is in its topic. @throws FrameMalformedError */
export function publishedAt(meta: readonly MetaEntry[] = []): Cursor {
  const cursor = cursorOf(meta, "cursor");
  if (cursor === undefined) throw new FrameMalformedError("a publication says where it is in its topic");
  return cursor;
}

/** @throws InvalidArgumentError for a pattern that is no text, or options that are none */
export function readSubscribe(pattern: unknown, options: unknown): SubscribeFrom | undefined {
  checkTopic(pattern, "a pattern");
  return readSubscribeFrom(options);
}

/** @throws InvalidArgumentError */
export function checkTopic(topic: unknown, what: string): void {
  if (typeof topic !== "string")
    throw new InvalidArgumentError(`${what} must be text, and not ${show(topic)}`);
}

export function fromEntry(from: SubscribeFrom): MetaEntry {
  if (typeof from === "object") return { key: "from", value: encodeCursor(from) };
  return { key: "from", value: Uint8Array.of(from === "oldest" ? 0 : 1) };
}

function cursorOf(meta: readonly MetaEntry[], key: string): Cursor | undefined {
  const found = meta.find((entry) => entry.key === key);
  return found && decodeCursor(found.value);
}
