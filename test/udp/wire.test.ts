import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { announced, secret } from "./kit.js";

const root = join(import.meta.dirname, "../../..");
const run = promisify(execFile);

test("docs/wire.md is enough to look for services in Python", async (t) => {
  const urls = Array.from({ length: 8 }, (_, index) => `quic://räume.example:${4433 + index}`);
  const announcement = await announced(t, { name: "räume", urls });
  const client = join(root, "test", "udp", "client.py");
  const args = [client, "127.0.0.1", `${announcement.address.port}`, secret, "räume"];
  const { stdout } = await run("python3", args, { timeout: 60_000 });
  const [whole, short] = stdout
    .trimEnd()
    .split("\n")
    .map((line) => line.split(" "));
  assert.deepEqual(whole!.slice(1), ["räume", ...urls]);
  const [bytes, name, ...first] = short!;
  assert.equal(name, "räume");
  assert.ok(first.length > 0 && first.length < urls.length);
  assert.deepEqual(first, urls.slice(0, first.length));
  assert.ok(Number(bytes) <= 400);
  assert.equal(announcement.counters.taken, 2);
});
