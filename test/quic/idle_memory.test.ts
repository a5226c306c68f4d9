import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const run = promisify(execFile);

/** Bytes that an idle connection takes, both of its ends. */
async function connectionBytes(resumption: "with" | "without"): Promise<number> {
  const program = fileURLToPath(new URL("./idle_memory_program.js", import.meta.url));
  const { stdout } = await run(process.execPath, [program, resumption]);
  return Number(stdout);
}

/** What is measured is as much memory or more, by what a busy machine has left in pieces: so the least of some is meant. */
const measurements = 8;

test("a connection that was given a ticket keeps none of what msquic needed to make it", async () => {
  let without = Number.POSITIVE_INFINITY;
  let withTickets = Number.POSITIVE_INFINITY;
  // msquic keeps 28 KB for the next ticket unless it is told that there will be none.
  for (let i = 0; i < measurements && !(withTickets - without < 14_000); i += 1) {
    without = Math.min(without, await connectionBytes("without"));
    withTickets = Math.min(withTickets, await connectionBytes("with"));
  }
  assert.ok(without > 0);
  assert.ok(withTickets - without < 14_000, `${withTickets} bytes with tickets, ${without} without`);
});
