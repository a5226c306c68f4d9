// Sets the tree up and runs the tests: all, or those whose path contains one of the given words.
// Arguments that begin with -- go to node's test runner.
import { spawnSync } from "node:child_process";
import { runMain, SetupFailure } from "./setup/failure.mjs";
import { listFiles, root } from "./setup/tree.mjs";
import { setUp } from "./setup.mjs";

/** Longer than the slowest test by far: a test that hangs fails, and does not stop CI for ever. */
const testTimeoutMs = 600_000;

await runMain(async () => {
  await setUp({ tests: true });
  const words = process.argv.slice(2).filter((argument) => !argument.startsWith("--"));
  const options = process.argv.slice(2).filter((argument) => argument.startsWith("--"));
  const files = listFiles(["out/test"], { take: (path) => path.endsWith(".test.js") }).filter(
    (path) => words.length === 0 || words.some((word) => path.includes(word)),
  );
  if (files.length === 0) throw new SetupFailure(`no test file's path contains ${words.join(" or ")}`);
  const runner = [
    "--test",
    "--test-reporter=spec",
    "--test-concurrency=1",
    `--test-timeout=${testTimeoutMs}`,
    ...options,
  ];
  const { status } = spawnSync(process.execPath, [...runner, ...files], { cwd: root, stdio: "inherit" });
  process.exitCode = status ?? 1;
});
