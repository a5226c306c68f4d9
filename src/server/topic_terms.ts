import { FailureCode, RequestFailure } from "../delivery/failure.js";
import { entry, MetaReader } from "../delivery/meta.js";
import { noPlaces, type Places, readPlaces } from "../delivery/places.js";
import {
  FrameMalformedError,
  InvalidArgumentError,
  ProtocolViolationError,
  SubscriptionLimitError,
  TopicHomeError,
  TopicLimitError,
} from "../errors.js";
import type { MetaEntry } from "../frame/frame.js";
import { type Cursor, cursorBytes, decodeCursor, encodeCursor } from "../topic/cursor.js";
import type { Subscribed, SubscribeFrom } from "../topic/topics.js";
import type { PublishResult } from "./publish_result.js";

/** By topic: the newest publication that a client has. */
export type TopicPlaces = ReadonlyMap<string, Cursor>;

/** What a client that subscribes wants of what came before. */
export interface Wanted {
  /** Of a topic. */
  readonly from: SubscribeFrom | undefined;
  /** Of those that a pattern with wildcards brings it, and that it knows. */
  readonly places: TopicPlaces;
}

export const noTopicPlaces: TopicPlaces = new Map();
export const cursorKey = "cursor";
const yes = Uint8Array.of(1);

/** @throws FrameMalformedError, ProtocolViolationError */
export function readWanted(meta: readonly MetaEntry[]): Wanted {
  const reader = new MetaReader("Subscribe", { flags: 0, meta });
  const from = reader.bytes("from", 1, cursorBytes);
  return { from: from && readFrom(from), places: readTopicPlaces(readPlaces(reader)) };
}

function readFrom(bytes: Uint8Array): SubscribeFrom {
  if (bytes.length === 1) return bytes[0] === 0 ? "oldest" : "last";
  return decodeCursor(bytes);
}

/** Where a client says that it is. @throws FrameMalformedError */
export function readTopicPlaces(places: Places = noPlaces): TopicPlaces {
  if (places.size === 0) return noTopicPlaces;
  return new Map([...places].map(([topic, bytes]) => [topic, decodeCursor(bytes)]));
}

/** What a client that has subscribed is told. */
export function subscribedMeta({ cursor, recovered, gap }: Subscribed): readonly MetaEntry[] {
  return [
    ...entry(cursorKey, cursor && encodeCursor(cursor)),
    ...entry("recovered", recovered ? yes : undefined),
    ...entry("gap", gap && encodeCursor({ epoch: gap.epoch, sequence: gap.oldest })),
  ];
}

/** Why a client's subscription or publication failed. Anything else is a fault of the server. */
export function asFailure(cause: unknown): unknown {
  const isMalformed = [InvalidArgumentError, FrameMalformedError, ProtocolViolationError].some(
    (fault) => cause instanceof fault,
  );
  if (isMalformed) return new RequestFailure((cause as Error).message, FailureCode.malformed);
  if (cause instanceof TopicHomeError) return new RequestFailure(cause.message, FailureCode.goingAway);
  const isLimit = cause instanceof SubscriptionLimitError || cause instanceof TopicLimitError;
  return isLimit ? new RequestFailure(cause.message, FailureCode.overloaded) : cause;
}

/** Why a client's publication was not taken; undefined where it was. */
export function publishFailure({ status }: PublishResult): RequestFailure | undefined {
  if (status === "published") return undefined;
  if (status === "dropped")
    return new RequestFailure("too much waits for this topic", FailureCode.overloaded);
  if (status === "refused") return new RequestFailure("there are too many topics", FailureCode.overloaded);
  const lost = "the thread that numbers this topic has ended: it is not known to be published";
  return new RequestFailure(lost, FailureCode.goingAway);
}
