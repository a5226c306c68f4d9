// Sets the tree up, and drops connections of clients until it is proven, or not, that nothing is lost by that. Help, and
// what is wrong with the arguments, is told before anything is built.
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { runMain } from "./setup/failure.mjs";
import { checkProveArguments } from "./setup/prove_arguments.mjs";
import { root } from "./setup/tree.mjs";
import { setUp } from "./setup.mjs";

await runMain(async () => {
  const given = process.argv.slice(2);
  const help = checkProveArguments(given);
  if (help !== undefined) {
    console.log(help);
    return;
  }
  await setUp({ tests: true });
  const main = join(root, "out", "test", "proof", "main.js");
  process.exitCode = spawnSync(process.execPath, [main, ...given], { stdio: "inherit" }).status ?? 1;
});
