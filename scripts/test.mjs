// Sets the tree up and runs the tests: all, or those whose path contains one of the given words.
// Arguments that begin with -- go to node's test runner, but for --again. Help, and what is wrong with the arguments, is
// told before anything is built.
import { runMain } from "./setup/failure.mjs";
import { checkTestArguments, isMeant, readTestArguments } from "./setup/test_arguments.mjs";
import { runTests } from "./setup/test_run.mjs";
import { listFiles, root } from "./setup/tree.mjs";
import { setUp } from "./setup.mjs";

await runMain(async () => {
  const given = process.argv.slice(2);
  const help = checkTestArguments(given);
  if (help !== undefined) {
    console.log(help);
    return;
  }
  await setUp({ tests: true });
  const { words, options, again } = readTestArguments(given);
  const files = listFiles(["out/test"], {
    take: (path) => path.endsWith(".test.js") && isMeant(path, words),
  });
  process.exitCode = (await runTests(files, { options, again, cwd: root })) ? 0 : 1;
});
