import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const root = fileURLToPath(new URL("../../../", import.meta.url));
const run = promisify(execFile);

test("examples/transport/echo.js speaks over the transport in memory, and ends", async () => {
  const program = join(root, "examples", "transport", "echo.js");
  const { stdout, stderr } = await run(process.execPath, [program], { timeout: 60_000 });
  assert.equal(stdout, "echo over memory: hello, memory\n");
  assert.equal(stderr, "");
});

test("examples/transport/session.js takes its session from memory to TCP, and ends", async () => {
  const program = join(root, "examples", "transport", "session.js");
  const { stdout, stderr } = await run(process.execPath, [program], { timeout: 60_000 });
  assert.equal(stdout, "hello, over memory\nstill here, over tcp\n");
  assert.equal(stderr, "");
});

test("the transport in memory is one by the types, too", async () => {
  const compiler = join(root, "node_modules", "typescript", "bin", "tsc");
  await run(process.execPath, [compiler, "-p", join(root, "examples")], { timeout: 120_000 });
});
