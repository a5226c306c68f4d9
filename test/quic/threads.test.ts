import assert from "node:assert/strict";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import { Worker } from "node:worker_threads";

/** The suites of this folder that a worker thread runs as the main thread does, each in one of its own. */
const suites = [
  "raw",
  "streams",
  "adapters",
  "iteration",
  "datagrams",
  "resumption",
  "tls/mutual",
  "publish",
  "migration",
];

/** Runs a test file in a thread, with the runner's reports as TAP. */
async function run(file: string): Promise<{ exitCode: number; report: string }> {
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const worker = new Worker(new URL(file, import.meta.url), { env, stdout: true });
  const exited = new Promise<number>((resolve, reject) => worker.once("exit", resolve).once("error", reject));
  const [report, exitCode] = await Promise.all([text(worker.stdout), exited]);
  return { exitCode, report };
}

for (const suite of suites) {
  test(`the suite ${suite} holds in a worker thread`, async () => {
    const { exitCode, report } = await run(`./${suite}.test.js`);
    const count = (what: string) => Number(new RegExp(`^(?:#|ℹ) ${what} (\\d+)$`, "m").exec(report)?.[1]);
    assert.deepEqual([exitCode, count("fail"), count("cancelled"), count("skipped")], [0, 0, 0, 0], report);
    assert.ok(count("pass") > 3, report);
  });
}
