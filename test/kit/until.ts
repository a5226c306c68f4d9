import { setTimeout as delay } from "node:timers/promises";

/**
 * Looks again and again, while the event loop runs, until `met` holds.
 * @throws an Error that names `what` when the deadline passes first.
 */
export async function until(
  what: string,
  met: () => boolean | Promise<boolean>,
  deadlineMs = 20_000,
): Promise<void> {
  const deadline = performance.now() + deadlineMs;
  while (!(await met())) {
    if (performance.now() > deadline) throw new Error(`not within ${deadlineMs} ms: ${what}`);
    await delay(5);
  }
}
