/** The class of async functions, which has no global name. */
const AsyncFunction = (async () => {}).constructor as FunctionConstructor;

/** Whether a handler is an async function: one of which it is known before the call that what it is given must keep. */
export function isAsync(handler: unknown): boolean {
  return handler instanceof AsyncFunction;
}

/** Whether it is to be waited for. */
export function isThenable<T>(value: T | PromiseLike<T>): value is PromiseLike<T> {
  return typeof (value as PromiseLike<T> | undefined | null)?.then === "function";
}
