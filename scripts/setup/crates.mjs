import { existsSync } from "node:fs";
import { join } from "node:path";
import { runStep } from "./progress.mjs";
import { digest, readStamp, writeStamp } from "./stamp.mjs";
import { requireTools } from "./system.mjs";
import { listFiles, root } from "./tree.mjs";

const folder = join("bench", "peers");
const peers = {
  dashmap: { product: "millrace-dashmap", title: "DashMap, a peer of benchmarks (half a minute, once)" },
  crates: {
    product: "millrace-bench-crates",
    title: "msgtrans and flare-core, peers of benchmarks (four minutes, once)",
  },
};

/**
 * Builds peers in Rust that benchmarks put beside millrace, in their crates' target/release.
 * @param name `dashmap` or `crates`, a folder of bench/peers
 */
export async function buildCratePeer(name) {
  const { product, title } = peers[name];
  const crate = join(folder, name);
  const target = join(crate, "target");
  const stamp = digest(listFiles([crate], { enter: (path) => path !== target }));
  if (readStamp(name) === stamp && existsSync(join(root, target, "release", product))) return;
  await requireTools(["compiler", "cargo"]);
  await runStep({
    name,
    title: `Building ${title}`,
    command: "cargo",
    args: ["build", "--locked", "--release", "--manifest-path", join(crate, "Cargo.toml")],
  });
  writeStamp(name, stamp);
}
