import { existsSync } from "node:fs";
import { join } from "node:path";
import { runStep } from "./progress.mjs";
import { digest, readStamp, writeStamp } from "./stamp.mjs";
import { requireTools } from "./system.mjs";
import { listFiles, root } from "./tree.mjs";

const crate = join("test", "interop", "quinn");
const target = join(crate, "target");

/**
 * Builds millrace-quinn, the independent QUIC peer, in its crate's target/PROFILE: outside of build/, for it takes
 * most of a minute and seldom changes.
 * @param profile `release` for the tests, `optimized` for the benchmarks: see its Cargo.toml
 */
export async function buildQuinn(profile) {
  const stamp = digest(listFiles([crate], { enter: (path) => path !== target }), profile);
  const name = `quinn-${profile}`;
  if (readStamp(name) === stamp && existsSync(join(root, target, profile, "millrace-quinn"))) return;
  await requireTools(["compiler", "cargo"]);
  await runStep({
    name,
    title: "Building quinn, the peer of interoperability tests (a minute, once)",
    command: "cargo",
    args: ["build", "--locked", "--profile", profile, "--manifest-path", join(crate, "Cargo.toml")],
  });
  writeStamp(name, stamp);
}
