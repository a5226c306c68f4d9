/** Lets a process end while this timer waits; a page in a browser has only numbers for timers, and no such thing. */
export function unref(timer: NodeJS.Timeout): NodeJS.Timeout {
  return typeof timer === "object" ? timer.unref() : timer;
}
