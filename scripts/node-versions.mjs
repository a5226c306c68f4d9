// Runs compiled test files with other versions of Node.js: node-versions.mjs 22,24 out/test/a.test.js ...
// The addon and the JavaScript are those built for the running one: one build serves all.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { runMain, SetupFailure } from "./setup/failure.mjs";
import { runStep } from "./setup/progress.mjs";
import { root } from "./setup/tree.mjs";

const testTimeoutMs = 300_000;

await runMain(async () => {
  const [majors = "", ...files] = process.argv.slice(2);
  if (!/^\d+(,\d+)*$/.test(majors) || files.length === 0) {
    throw new SetupFailure("usage: node scripts/node-versions.mjs 22,24 out/test/NAME.test.js ...");
  }
  for (const major of majors.split(",")) {
    const node = await installNode(major);
    const version = spawnSync(node, ["--version"], { encoding: "utf8" }).stdout.trim();
    if (!version.startsWith(`v${major}.`)) throw new SetupFailure(`${node} is ${version || "not runnable"}`);
    console.log(`Node.js ${version}: ${files.join(" ")}`);
    const options = [
      "--test",
      "--test-reporter=spec",
      "--test-concurrency=1",
      `--test-timeout=${testTimeoutMs}`,
    ];
    const { status } = spawnSync(node, [...options, ...files], { cwd: root, stdio: "inherit" });
    if (status !== 0) throw new SetupFailure(`the tests fail with Node.js ${version}`);
  }
});

/**
 * The path of a Node.js of that major version. npm's `node` package only fetches the one of this platform,
 * by an install script; it is taken directly, so that it works with install scripts off.
 */
async function installNode(major) {
  const name = `node-${process.platform}-${process.arch}`;
  const prefix = join(root, "build", "nodes", major);
  const binary = join(prefix, "node_modules", name, "bin", "node");
  if (existsSync(binary)) return binary;
  mkdirSync(prefix, { recursive: true });
  await runStep({
    name: `node-${major}`,
    title: `Fetching Node.js ${major}`,
    command: "npm",
    args: [
      "install",
      "--prefix",
      prefix,
      "--ignore-scripts",
      "--no-save",
      "--no-audit",
      "--no-fund",
      `${name}@${major}`,
    ],
  });
  return binary;
}
