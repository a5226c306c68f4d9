import { spawnSync } from "node:child_process";
import { SetupFailure } from "./failure.mjs";
import { listFiles } from "./tree.mjs";

const help = `Usage: npm test [-- [options of node's test runner] [words...]]

Sets up and builds what the tests need, which takes minutes the first time, and runs them: all, or those files whose
path has one of the words, such as frame/ or quic/raw.

--again runs files that failed once more, alone, where they are three at most. What passes then fails only beside
others: it is named, and the run counts as passed.

Options begin with --, and have their values behind a =: --test-name-pattern=WORDS, --test-only …; \`node --help\` has
all of them. -h or --help says this, and builds nothing.`;

/** What the arguments of `npm test` say. */
export function readTestArguments(given) {
  const words = given.filter((argument) => !argument.startsWith("-"));
  const options = given.filter((argument) => argument.startsWith("-") && argument !== "--again");
  return { words, options, again: given.includes("--again") };
}

/** Whether a test is meant, by its path. */
export function isMeant(path, words) {
  return words.length === 0 || words.some((word) => path.includes(word));
}

/**
 * Looks at the arguments of `npm test` before anything is built for them.
 * @returns the help, where that is asked for
 * @throws SetupFailure where there is no such test, or no such option of node
 */
export function checkTestArguments(given) {
  const { words, options } = readTestArguments(given);
  if (options.includes("--help") || options.includes("-h")) return help;
  // The paths that the compiled tests will have: a word may say "out/test" or ".js", too.
  const files = listFiles(["test"], { take: (path) => path.endsWith(".test.ts") }).map(
    (path) => `out/${path.slice(0, -"ts".length)}js`,
  );
  if (!files.some((path) => isMeant(path, words)))
    throw new SetupFailure(`no test file's path contains ${words.join(" or ")}`);
  const { status, stderr } = spawnSync(process.execPath, ["--test", ...options, "--version"], {
    encoding: "utf8",
  });
  if (status !== 0)
    throw new SetupFailure(
      `node does not take this: ${stderr.trim().split("\n")[0]} (npm test -- --help says more)`,
    );
  return undefined;
}
