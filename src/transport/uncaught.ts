/**
 * Makes what an application's handler threw an uncaught exception, but not here: who called it goes on.
 */
export function throwUncaught(cause: unknown): void {
  queueMicrotask(() => {
    throw cause;
  });
}

/** Calls a handler of an application's; what it throws is an uncaught exception, and who called it goes on. */
export function callGuarded(call: () => void): void {
  try {
    call();
  } catch (cause) {
    throwUncaught(cause);
  }
}
