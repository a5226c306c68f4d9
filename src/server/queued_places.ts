import { encodeGap, readGap } from "../delivery/gap.js";
import type { Outbound, Outgoing } from "../delivery/outbound.js";
import { unacknowledged } from "../delivery/unsent.js";
import { decodeFrame, type FrameContents, FrameView, Kind } from "../frame/frame.js";
import { type Cursor, decodeCursor } from "../topic/cursor.js";
import type { MissedTopics } from "../topic/missed.js";

const view = new FrameView();

/**
 * What is to be given again to a session that is back comes behind what its queue has: of topics whose publications are
 * there, what comes behind those. What is missing before one of them its client sees by itself where it knows the topic;
 * where it has heard nothing of it yet, it is told.
 * @param known where the client says that it is.
 */
export function beyondQueued(
  missed: MissedTopics,
  known: ReadonlyMap<string, Cursor>,
  outbound: Outbound,
): MissedTopics {
  if (missed.places.size === 0) return missed;
  const places = new Map(missed.places);
  let { isComplete } = missed;
  for (const frame of unacknowledged(outbound)) {
    const decoded = decodeFrame(frame, true, view);
    const { topic, cursor } = placeOf(decoded) ?? {};
    const place = topic === undefined ? undefined : places.get(topic);
    const isBeyond =
      place?.epoch === cursor?.epoch && cursor !== undefined && cursor.sequence > place!.sequence;
    if (!isBeyond) continue;
    const isHole = decoded.kind === Kind.Publish && cursor.sequence > place!.sequence + 1;
    if (isHole && !known.has(topic!)) isComplete = false;
    places.set(topic!, cursor);
  }
  return { ...missed, places, isComplete };
}

/** Longer than any of the application's, so that it is none of them. */
const gapKey = "gap".padEnd(257);

/**
 * A publication gives way to what waits behind it: in its place its client is told of a gap, and of one for each topic,
 * however many do. Without, nobody would hear of it in a topic where nothing is published any more.
 */
export function gapInsteadOf(frame: Uint8Array): Outgoing | undefined {
  const decoded = decodeFrame(frame, true, view);
  const { topic, cursor } = decoded.kind === Kind.Publish ? (placeOf(decoded) ?? {}) : {};
  if (topic === undefined || cursor === undefined) return undefined;
  const gap = encodeGap({ topic, epoch: cursor.epoch, oldest: cursor.sequence + 1 });
  return { ...gap, key: gapKey + topic };
}

/** Up to where a frame brings its client in a topic; undefined where it is of none. */
function placeOf(
  frame: Readonly<FrameContents>,
): { readonly topic: string; readonly cursor: Cursor } | undefined {
  if (frame.kind === Kind.Gap) {
    const { topic, epoch, oldest } = readGap(frame);
    return topic === undefined || oldest === 0
      ? undefined
      : { topic, cursor: { epoch, sequence: oldest - 1 } };
  }
  if (frame.kind !== Kind.Publish) return undefined;
  const { subject: topic, meta = [] } = frame;
  const cursor = meta.find(({ key }) => key === "cursor");
  return topic === undefined || cursor === undefined
    ? undefined
    : { topic, cursor: decodeCursor(cursor.value) };
}
