import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";

/** Longer than the slowest test by far: a test that hangs fails, and does not stop CI for ever. */
const testTimeoutMs = 600_000;
/** Files that run at a time: they wait more than they compute. */
const filesAtOnce = 2;
/** More files that fail are no accident. */
const mostRunAgain = 3;

const failedFiles = fileURLToPath(new URL("failed_files.mjs", import.meta.url));

/**
 * Runs files by node's test runner, whose report goes to stdout.
 * @param options further ones of the runner
 * @param again whether files that fail, where they are few, run once more, alone
 * @param cwd where the files are, and what their paths are relative to
 * @returns whether all passed, or all that ran again did
 */
export async function runTests(files, { options = [], again = false, cwd }) {
  const first = await run(files, [...options, `--test-concurrency=${filesAtOnce}`], cwd);
  const { failed } = first;
  if (first.passed || !again || failed.length === 0 || failed.length > mostRunAgain) return first.passed;
  console.log(`\nonce more, alone: ${failed.join(", ")}\n`);
  const { passed } = await run(failed, [...options, "--test-concurrency=1"], cwd);
  if (passed) console.log(`\nFAILED ONLY BESIDE OTHERS: ${failed.join(", ")}`);
  return passed;
}

async function run(files, options, cwd) {
  const folder = await mkdtemp(join(tmpdir(), "millrace-tests-"));
  try {
    const list = join(folder, "failed");
    const runner = [
      "--test",
      ...["--test-reporter=spec", "--test-reporter-destination=stdout"],
      ...[`--test-reporter=${failedFiles}`, `--test-reporter-destination=${list}`],
      `--test-timeout=${testTimeoutMs}`,
      ...options,
    ];
    const { status } = spawnSync(process.execPath, [...runner, ...files], { cwd, stdio: "inherit" });
    const failed = existsSync(list) ? (await readFile(list, "utf8")).split("\n").filter(Boolean) : [];
    return { passed: status === 0, failed: failed.map((path) => relative(cwd, path)) };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
