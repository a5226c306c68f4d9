import type { Outbound } from "./outbound.js";
import type { Waiting } from "./pending_queue.js";

/** What waits and has not gone out before; nothing, where anything that has goes before it. */
export function unsent({ bytesUnacknowledged, rarities }: Outbound): Iterable<Waiting> {
  return bytesUnacknowledged > 0 ? [] : (rarities?.pending ?? []);
}

/** Takes out what goes another way. @returns those of them that waited still. */
export function withdraw({ rarities }: Outbound, messages: ReadonlySet<Waiting>): readonly Waiting[] {
  return rarities?.pending.retain((message) => !messages.has(message)) ?? [];
}

/**
 * Puts back what was taken out: before what waits, which it stood before; and whatever room there is, for it was accepted
 * once. It goes out at the next `pump`.
 */
export function putBack(outbound: Outbound, messages: readonly Waiting[]): void {
  if (outbound.hasEnded) return;
  const { pending } = outbound.rare();
  const behind = pending.retain(() => false);
  for (const message of [...messages, ...behind]) pending.push(message);
  outbound.isReady = false;
}

/** Whether what waits, and what is sent, stays until what was taken out is answered. It goes out at the next `pump`. */
export function keepBehind(outbound: Outbound, isBehind: boolean): void {
  const rarities = isBehind ? outbound.rare() : outbound.rarities;
  if (rarities !== undefined) rarities.isBehind = isBehind;
}

/** The frames that were accepted and are not acknowledged, those of each lane in their order. */
export function* unacknowledged(outbound: Outbound): Generator<Uint8Array> {
  for (const log of outbound.logs()) {
    const frames = log.replay();
    for (let frame = frames.peek(); frame !== undefined; frame = frames.peek()) {
      yield frame;
      frames.advance();
    }
  }
  for (const { frame } of outbound.rarities?.pending ?? []) yield frame;
}
