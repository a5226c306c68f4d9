import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const program = fileURLToPath(new URL("../../../examples/middleware/guarded.js", import.meta.url));

test("examples/middleware/guarded.js lets in who it should, and refuses what it should", async () => {
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [program], { timeout: 60_000 });
  assert.equal(stderr, "");
  assert.deepEqual(stdout.trimEnd().split("\n"), [
    "warn: refused eve (not let in)",
    "ERR_MILLRACE_SESSION_REFUSED",
    "info: connected ada",
    "orders.place: success: 1 teapot for ada",
    "warn: refused ada (item: Invalid type: Expected string but received 7)",
    "orders.place: failure: item: Invalid type: Expected string but received 7",
    "warn: refused ada (not allowed)",
    "orders.delete: failure: not allowed",
  ]);
});
