import type { Clock } from "../dispatch/clock.js";

const maxTimerMs = 0x7fff_ffff;

/** A client's clock, in a browser too. Its timers keep a process alive: who waits to be connected is not done yet. */
export const clientClock: Clock = {
  now: () => performance.now(),
  at(atMs, task) {
    const delayMs = Math.min(maxTimerMs, Math.max(0, Math.ceil(atMs - performance.now())));
    const timer = setTimeout(task, delayMs);
    return () => clearTimeout(timer);
  },
};

/** @throws the signal's reason, as soon as it fires */
export function pause(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = () => {
      cancel();
      reject(signal.reason);
    };
    const cancel = clock.at(clock.now() + ms, () => {
      signal.removeEventListener("abort", onAbort);
      resolve();
    });
    if (signal.aborted) onAbort();
    else signal.addEventListener("abort", onAbort, { once: true });
  });
}
