// Sets the tree up, builds the native benchmark programs, and runs the benchmarks with the given arguments. Help, and what
// is wrong with the arguments, is told before anything is built.
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { checkBenchArguments } from "./setup/bench_arguments.mjs";
import { buildCratePeer } from "./setup/crates.mjs";
import { runMain } from "./setup/failure.mjs";
import { installBenchPeers } from "./setup/packages.mjs";
import { buildQuinn } from "./setup/quinn.mjs";
import { root } from "./setup/tree.mjs";
import { setUp } from "./setup.mjs";

const given = process.argv.slice(2);
await runMain(async () => {
  const help = checkBenchArguments(given);
  if (help !== undefined) {
    console.log(help);
    process.exit();
  }
  await setUp({ bench: true });
});
const peers = [installBenchPeers, () => buildQuinn("optimized"), () => buildCratePeer("dashmap")];
// A smoke run says nothing about speed, and is not to wait four minutes for whom to compare with.
if (!given.includes("--smoke")) peers.push(() => buildCratePeer("crates"));
for (const providePeer of peers) {
  // Without it the run says that it is not installed, and measures the others.
  await providePeer().catch((cause) => console.error(`millrace: ${cause.message}`));
}
const main = join(root, "out", "bench", "main.js");
process.exitCode = spawnSync(process.execPath, [main, ...given], { stdio: "inherit" }).status ?? 1;
