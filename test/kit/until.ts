import { setTimeout as delay } from "node:timers/promises";

/** Longer than the slowest machine takes by far: only what hangs comes to it. */
const patienceMs = 60_000;

/**
 * Looks again and again, while the event loop runs, until `met` holds.
 * @throws an Error that names `what` when the deadline passes first.
 */
export async function until(
  what: string,
  met: () => boolean | Promise<boolean>,
  deadlineMs = patienceMs,
): Promise<void> {
  const deadline = performance.now() + deadlineMs;
  while (!(await met())) {
    if (performance.now() > deadline) throw new Error(`not within ${deadlineMs} ms: ${what}`);
    await delay(5);
  }
}
