import { existsSync } from "node:fs";
import { join } from "node:path";
import { runStep } from "./progress.mjs";
import { digest, readStamp, writeStamp } from "./stamp.mjs";
import { requireTools } from "./system.mjs";
import { listFiles, root } from "./tree.mjs";

const crate = join("bench", "peers", "dashmap");
const target = join(crate, "target");

/** Builds the peer of the session table's benchmark, in its crate's target/release. */
export async function buildDashMap() {
  const stamp = digest(listFiles([crate], { enter: (path) => path !== target }));
  if (readStamp("dashmap") === stamp && existsSync(join(root, target, "release", "millrace-dashmap"))) return;
  await requireTools(["compiler", "cargo"]);
  await runStep({
    name: "dashmap",
    title: "Building DashMap, a peer of benchmarks (half a minute, once)",
    command: "cargo",
    args: ["build", "--locked", "--release", "--manifest-path", join(crate, "Cargo.toml")],
  });
  writeStamp("dashmap", stamp);
}
