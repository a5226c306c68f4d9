// Sets the tree up and runs the tests: all, or those whose path contains one of the given words.
// Arguments that begin with -- go to node's test runner. Help, and what is wrong with the arguments, is told before anything
// is built.
import { spawnSync } from "node:child_process";
import { runMain } from "./setup/failure.mjs";
import { checkTestArguments, isMeant, readTestArguments } from "./setup/test_arguments.mjs";
import { listFiles, root } from "./setup/tree.mjs";
import { setUp } from "./setup.mjs";

/** Longer than the slowest test by far: a test that hangs fails, and does not stop CI for ever. */
const testTimeoutMs = 600_000;
/** Files that run at a time: they wait more than they compute. */
const filesAtOnce = 2;

await runMain(async () => {
  const given = process.argv.slice(2);
  const help = checkTestArguments(given);
  if (help !== undefined) {
    console.log(help);
    return;
  }
  await setUp({ tests: true });
  const { words, options } = readTestArguments(given);
  const files = listFiles(["out/test"], {
    take: (path) => path.endsWith(".test.js") && isMeant(path, words),
  });
  const runner = [
    "--test",
    "--test-reporter=spec",
    `--test-concurrency=${filesAtOnce}`,
    `--test-timeout=${testTimeoutMs}`,
    ...options,
  ];
  const { status } = spawnSync(process.execPath, [...runner, ...files], { cwd: root, stdio: "inherit" });
  process.exitCode = status ?? 1;
});
