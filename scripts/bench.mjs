// Sets the tree up, builds the native benchmark programs, and runs the benchmarks with the given arguments.
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { buildCratePeer } from "./setup/crates.mjs";
import { runMain } from "./setup/failure.mjs";
import { installBenchPeers } from "./setup/packages.mjs";
import { buildQuinn } from "./setup/quinn.mjs";
import { root } from "./setup/tree.mjs";
import { setUp } from "./setup.mjs";

await runMain(() => setUp({ bench: true }));
const peers = [
  installBenchPeers,
  () => buildQuinn("optimized"),
  () => buildCratePeer("dashmap"),
  () => buildCratePeer("crates"),
];
for (const providePeer of peers) {
  // Without it the run says that it is not installed, and measures the others.
  await providePeer().catch((cause) => console.error(`millrace: ${cause.message}`));
}
const main = join(root, "out", "bench", "main.js");
process.exitCode =
  spawnSync(process.execPath, [main, ...process.argv.slice(2)], { stdio: "inherit" }).status ?? 1;
