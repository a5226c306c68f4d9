/**
 * The lanes of a session, in each direction. What is on one lane is in order, and lanes do not wait for each other
 * (where the transport can). A message's priority and delivery class say its lane.
 * @see docs/wire.md
 */

/** What a message is promised on its way. */
export type Delivery = "ordered" | "unordered" | "latest" | "unreliable";

/** `control` goes first, always; the others share what there is as 8 : 4 : 1, by bytes. */
export type Priority = "control" | "high" | "normal" | "bulk";

/** The lane of each priority. */
export const Lane = { normal: 0, high: 1, bulk: 2, control: 3 } as const;

/** Unordered messages are spread over the lanes from this one on. */
export const firstUnorderedLane = 8;

/** How many there are of those. */
export const unorderedLanes = 8;

/** All lanes are below. */
export const laneEnd = firstUnorderedLane + unorderedLanes;

/** Whether a session has such a lane: what a peer says of another breaks the protocol. */
export function isLane(lane: number): boolean {
  return (lane >= 0 && lane <= Lane.control) || (lane >= firstUnorderedLane && lane < laneEnd);
}

/**
 * @param turn any number that counts up, so that unordered messages go round their lanes.
 */
export function laneOf(delivery: Delivery, priority: Priority, turn: number): number {
  return delivery === "unordered" ? firstUnorderedLane + (turn & (unorderedLanes - 1)) : Lane[priority];
}

/** Classes whose messages have no sequence: what is on its way when a connection is lost is lost. */
export function isUnsequenced(delivery: Delivery): boolean {
  return delivery === "latest" || delivery === "unreliable";
}
