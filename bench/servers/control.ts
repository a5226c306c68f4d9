import { Session } from "node:inspector/promises";
import { createInterface } from "node:readline";

/**
 * What every server here does beside echoing: says where it listens, collects its garbage when it is told to
 * (so that only what it holds counts as its memory), and ends with its standard input.
 */
export function announce(port: number, more: object = {}): void {
  say({ port, ...more });
  createInterface({ input: process.stdin })
    .on("line", (command) => {
      if (command === "gc") void collectGarbage();
    })
    .on("close", () => process.exit(0));
}

/**
 * As for a heap snapshot, after which what was only ever garbage holds no memory: `gc()` would leave the part of the
 * heap for young objects as large as the busiest moment made it.
 */
async function collectGarbage(): Promise<void> {
  const session = new Session();
  session.connect();
  await session.post("HeapProfiler.collectGarbage");
  session.disconnect();
  say({ collected: true });
}

function say(line: object): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}
