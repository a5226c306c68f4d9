import { callGuarded } from "./uncaught.js";

/** By signal, what is called when it fires. */
const watched = new WeakMap<EventTarget, Set<() => void>>();

/**
 * Calls back once when a signal fires that has not fired yet. However many watch one signal, it has one listener:
 * applications give the same one to many requests and sessions, each listener more would make the next one dearer, and
 * at the eleventh Node.js says that there may be a leak.
 * @param call that watches nothing else.
 * @returns ends the watch; it may have ended.
 */
export function watchAbort(signal: AbortSignal | undefined, call: () => void): () => void {
  if (signal === undefined) return () => {};
  const calls = watched.get(signal) ?? new Set();
  watched.set(signal, calls.add(call));
  signal.addEventListener("abort", fire, { once: true }); // it is added once
  return () => {
    // A signal that somebody listens to may be kept alive by those that it is made of.
    if (!calls.delete(call) || calls.size > 0) return;
    watched.delete(signal);
    signal.removeEventListener("abort", fire);
  };
}

function fire({ target }: Event): void {
  const calls = watched.get(target!)!;
  watched.delete(target!);
  for (const call of calls) callGuarded(call);
}
