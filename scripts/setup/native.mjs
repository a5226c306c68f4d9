import { existsSync, readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { runStep } from "./progress.mjs";
import { digest, readStamp, writeStamp } from "./stamp.mjs";
import { buildTools, requireTools } from "./system.mjs";
import { listFiles, manifest, root } from "./tree.mjs";

const cargoTarget = join("native", "msquic", "target");
/** cmake/msquic.cmake writes it: what msquic was built from, and where it is. */
const msquicStamp = join(root, cargoTarget, "millrace-msquic.txt");

/**
 * Configures and builds one native tree with CMake, unless nothing changed since it was last built.
 * @param name the build's name in logs and stamps
 * @param folder where it is built
 * @param options CMake cache entries, such as `MILLRACE_BENCH=ON`
 * @param sources folders and files it is made of
 * @param product a file that it makes
 * @param target what is built of it; all by default
 */
async function buildTree({ name, title, folder, options, sources, product, target = "all" }) {
  const inputs = listFiles(["CMakeLists.txt", "cmake", ...sources], {
    enter: (path) => path !== cargoTarget,
    take: (path) => !path.endsWith(".md"),
  });
  const stamp = digest(inputs, JSON.stringify([manifest.version, options, process.env.CXX]));
  if (readStamp(name) === stamp && existsSync(join(root, folder, product))) return;

  await requireTools(buildTools);
  const haveMsquic = existsSync(msquicStamp);
  await runStep({
    name: `${name}-configure`,
    title: haveMsquic ? `Configuring ${title}` : "Building msquic with OpenSSL (some minutes, once)",
    command: "cmake",
    args: ["-S", ".", "-B", folder, "-DCMAKE_BUILD_TYPE=Release", ...options.map((option) => `-D${option}`)],
  });
  await runStep({
    name: `${name}-build`,
    title: `Building ${title}`,
    command: "cmake",
    args: ["--build", folder, "--target", target, "--parallel", String(availableParallelism())],
  });
  writeStamp(name, stamp);
}

/** Builds build/cmake/millrace.node. */
export function buildAddon() {
  return buildTree({
    name: "addon",
    title: "the native addon",
    folder: join("build", "cmake"),
    options: [],
    sources: ["native", "bindings"],
    product: "millrace.node",
  });
}

/** Builds build/test-addon/session_threads.node, by which tests run C++ threads beside JavaScript. */
export function buildTestAddon() {
  const ours = join("test", "native", "addon");
  return buildTree({
    name: "test-addon",
    title: "the addon for tests",
    folder: join("build", "test-addon"),
    options: ["MILLRACE_TEST_ADDON=ON", "MILLRACE_ADDON=OFF"],
    sources: [
      ...["session", "memory", "ring"].map((part) => join("native", part)),
      join("bindings", "arguments.h"),
      ours,
    ],
    product: "session_threads.node",
    target: "millrace_session_threads",
  });
}

/** Builds the native benchmark programs in build/bench. */
export function buildBench() {
  return buildTree({
    name: "bench",
    title: "the native benchmark programs",
    folder: join("build", "bench"),
    options: ["MILLRACE_BENCH=ON", "MILLRACE_ADDON=OFF"],
    sources: ["native", join("bench", "native")],
    product: "CMakeCache.txt",
  });
}

/** The sources that msquic was built from, with those of its OpenSSL. */
export function msquicSources() {
  const [, out] = readFileSync(msquicStamp, "utf8").split("\n");
  return join(root, cargoTarget, out, "upstream");
}
