/**
 * Makes what an application's handler threw an uncaught exception, but not here: who called it goes on.
 */
export function throwUncaught(cause: unknown): void {
  queueMicrotask(() => {
    throw cause;
  });
}

/** Calls a handler of an application's; what it throws or rejects with is reported, and who called it goes on. */
export function callReported(call: () => unknown, report: (cause: unknown) => void): void {
  try {
    const returned = call();
    if (returned instanceof Promise) returned.then(undefined, report);
  } catch (cause) {
    report(cause);
  }
}

/** The same, where there is nobody to report to but the process. */
export function callGuarded(call: () => unknown): void {
  callReported(call, throwUncaught);
}
