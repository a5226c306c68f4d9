import { createInterface } from "node:readline";

/**
 * What every server here does beside echoing: says where it listens, collects its garbage when it is told to
 * (so that only what it holds counts as its memory), and ends with its standard input.
 */
export function announce(port: number): void {
  say({ port });
  createInterface({ input: process.stdin })
    .on("line", (command) => {
      if (command === "gc") collectGarbage();
    })
    .on("close", () => process.exit(0));
}

function collectGarbage(): void {
  if (globalThis.gc === undefined) throw new Error("start this server with --expose-gc");
  globalThis.gc();
  globalThis.gc(); // what finalizers let go of
  say({ collected: true });
}

function say(line: object): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}
