import type { Outbound } from "./outbound.js";
import type { Watch } from "./outgoing.js";
import type { Waiting } from "./pending_queue.js";

/** What waits and has not gone out before; nothing, where anything that has goes before it. */
export function unsent({ bytesUnacknowledged, rarities }: Outbound): Iterable<Waiting> {
  return bytesUnacknowledged > 0 ? [] : (rarities?.pending ?? []);
}

/** Lets go of what waits and goes another way. */
export function withdraw({ rarities }: Outbound, watches: ReadonlySet<Watch>): void {
  rarities?.pending.retain(({ watch }) => watch === undefined || !watches.has(watch));
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
