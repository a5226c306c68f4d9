import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const folder = fileURLToPath(new URL("../../../examples/middleware/", import.meta.url));

test("examples/middleware/guarded.js lets in who it should, and refuses what it should", async () => {
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [`${folder}guarded.js`], {
    timeout: 60_000,
  });
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

test("examples/middleware/own.js is a middleware of its own at every stage", async () => {
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [`${folder}own.js`], {
    timeout: 60_000,
  });
  assert.equal(stderr, "");
  assert.deepEqual(stdout.trimEnd().split("\n"), [
    "ada",
    "staff.keys: failure: not for ada",
    "ada is gone, by peer",
    "3 bytes went out",
    "ERR_MILLRACE_SESSION_REFUSED",
  ]);
});
