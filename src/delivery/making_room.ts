import type { Priority } from "./lane.js";
import type { Outbound } from "./outbound.js";
import { encodeOutgoing, type OutboundLimits } from "./outgoing.js";
import { type Waiting, waitingOverheadBytes } from "./pending_queue.js";
import { type Rarities, settle, tell } from "./rarities.js";

/** Makes room in a queue for a message, as its policy is. @returns false where the message is not to be queued. */
export function makeRoom(
  rarities: Rarities,
  limits: OutboundLimits,
  { frame, key, priority }: Waiting,
): boolean {
  const { pending } = rarities;
  const { queueBytes, policy } = limits;
  const old = key === undefined ? undefined : pending.withKey(key);
  const more = old === undefined ? frame.length + waitingOverheadBytes : frame.length - old.frame.length;
  if (pending.cost + more <= queueBytes) return true;
  if (policy === "drop-oldest" && more <= queueBytes) {
    for (;;) {
      const oldest = evict(rarities, limits, priority);
      if (oldest === undefined) break;
      giveUp(rarities, oldest, "dropped");
      if (pending.cost + frame.length + waitingOverheadBytes <= queueBytes) return true;
    }
  }
  if (policy === "close") rarities.mustClose = true;
  if (policy === "drop-newest") rarities.messagesDropped += 1;
  return false;
}

/** Has a message that waited no longer counted as one, and whoever wants to know told. */
export function giveUp(rarities: Rarities, { settled }: Waiting, outcome: "dropped" | "expired"): void {
  if (outcome === "dropped") rarities.messagesDropped += 1;
  else rarities.messagesExpired += 1;
  settle(rarities, settled, outcome);
}

/**
 * Gives up messages that wait, the oldest of the least priority first, for somebody who needs their memory.
 * @returns how much of it that was, at least `bytes` where so much waited.
 */
export function shed(outbound: Outbound, bytes: number): number {
  const rarities = outbound.rare();
  const { pending } = rarities;
  const before = pending.cost;
  while (before - pending.cost < bytes) {
    const oldest = evict(rarities, outbound.limits, "control");
    if (oldest === undefined) break;
    giveUp(rarities, oldest, "dropped");
  }
  tell(rarities);
  return before - pending.cost;
}

/** The next that gives way to a message of this priority. */
function evict(
  { pending }: Rarities,
  { insteadOf }: OutboundLimits,
  priority: Priority,
): Waiting | undefined {
  if (insteadOf === undefined) return pending.evict(priority);
  return pending.evict(priority, (given) => {
    const other = insteadOf(given.frame);
    if (other === undefined) return undefined;
    return { ...given, ...unfollowed, frame: encodeOutgoing(other), key: other.key };
  });
}

const unfollowed = {
  mayGo: false,
  expiresAt: Number.POSITIVE_INFINITY,
  settled: undefined,
  watch: undefined,
};
