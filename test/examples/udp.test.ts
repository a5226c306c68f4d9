import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const folder = fileURLToPath(new URL("../../../examples/udp/", import.meta.url));
const run = promisify(execFile);

const printed: Readonly<Record<string, string>> = {
  "discovery.js": "echo: found you\n",
  "broadcast.js": "temperature: 21.5\ntemperature: 21.5\n",
};

for (const [file, expected] of Object.entries(printed)) {
  test(`examples/udp/${file} prints what the guide promises, and ends`, async () => {
    const { stdout, stderr } = await run(process.execPath, [join(folder, file)], { timeout: 60_000 });
    assert.equal(stdout, expected);
    assert.equal(stderr, "");
  });
}

test("every example of UDP is run", () => {
  assert.deepEqual(readdirSync(folder).sort(), Object.keys(printed).sort());
});
