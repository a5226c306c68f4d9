/**
 * Makes what an application's handler threw an uncaught exception, but not here: who called it goes on.
 */
export function throwUncaught(cause: unknown): void {
  queueMicrotask(() => {
    throw cause;
  });
}
