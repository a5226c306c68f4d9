import { setTimeout as delay } from "node:timers/promises";

/** msquic lets a socket go a moment after its listener and the last of its connections have told their end. */
const mostReleaseMs = 2_000;
const retryMs = 10;

/** When this thread closed listeners on which UDP ports, the oldest first. */
const releases = new Map<number, number>();

/** A listener on it has been closed. */
export function noteRelease(port: number): void {
  const now = performance.now();
  for (const [other, at] of releases) {
    if (now - at <= mostReleaseMs) break;
    releases.delete(other);
  }
  releases.delete(port);
  releases.set(port, now);
}

/**
 * Waits a moment for a port that is in use, where what has it may be on its way out.
 * @returns whether it is worth another try.
 */
export async function isBeingReleased(port: number): Promise<boolean> {
  const at = releases.get(port);
  if (at === undefined || performance.now() - at > mostReleaseMs) return false;
  await delay(retryMs);
  return true;
}
