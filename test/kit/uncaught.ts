import type { TestContext } from "node:test";

/** Collects the process's uncaught exceptions during a test, in place of whoever else would end it for them. */
export function collectUncaught(t: TestContext): unknown[] {
  const caught: unknown[] = [];
  const listeners = process.listeners("uncaughtException");
  process.removeAllListeners("uncaughtException");
  process.on("uncaughtException", (cause) => caught.push(cause));
  t.after(() => {
    process.removeAllListeners("uncaughtException");
    for (const listener of listeners) process.on("uncaughtException", listener);
  });
  return caught;
}
