import { readGap } from "../delivery/gap.js";
import type { Outbound } from "../delivery/outbound.js";
import { decodeFrame, type FrameContents, FrameView, Kind } from "../frame/frame.js";
import { type Cursor, decodeCursor } from "../topic/cursor.js";
import type { MissedTopics } from "../topic/missed.js";

const view = new FrameView();

/**
 * What is to be given again to a session that is back comes behind what its queue has: of topics whose publications are
 * there, what comes behind those. What is missing before one of them its client sees by itself, since it knows the topic.
 * @param known where the client says that it is.
 */
export function beyondQueued(
  missed: MissedTopics,
  known: ReadonlyMap<string, Cursor>,
  outbound: Outbound,
): MissedTopics {
  if (missed.places.size === 0) return missed;
  const places = new Map(missed.places);
  for (const frame of outbound.unacknowledged()) {
    const { topic, cursor } = placeOf(decodeFrame(frame, true, view)) ?? {};
    const place = topic === undefined || !known.has(topic) ? undefined : places.get(topic);
    const isBeyond =
      place?.epoch === cursor?.epoch && cursor !== undefined && cursor.sequence > place!.sequence;
    if (isBeyond) places.set(topic!, cursor);
  }
  return { ...missed, places };
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
