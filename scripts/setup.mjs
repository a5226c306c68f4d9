// Sets a fresh clone up, and does nothing when it is: system packages, npm packages, native build, TypeScript.
// Options: --tests (also what the tests need), --bench (also the native benchmark programs),
// --checks (also the tools of .ci/run).
import { pathToFileURL } from "node:url";
import { installAioquic } from "./setup/aioquic.mjs";
import { readArguments, runMain } from "./setup/failure.mjs";
import { installFlatBuffers } from "./setup/flatbuffers.mjs";
import { withLock } from "./setup/lock.mjs";
import { buildAddon, buildBench, buildTestAddon } from "./setup/native.mjs";
import { installPackages } from "./setup/packages.mjs";
import { bundlePage } from "./setup/page.mjs";
import { buildQuinn } from "./setup/quinn.mjs";
import { benchTools, checkTools, requireTools, testTools } from "./setup/system.mjs";
import { compileSources, compileTests } from "./setup/typescript.mjs";

/** Brings the tree up to date. Progress goes to stderr; nothing is said when there is nothing to do. */
export function setUp({ tests = false, bench = false, checks = false } = {}) {
  return withLock(async () => {
    await installPackages();
    await buildAddon();
    if (tests) await buildTestAddon();
    if (bench) await buildBench();
    await compileSources();
    await bundlePage();
    if (tests || bench) await compileTests();
    if (tests) await requireTools(testTools);
    if (tests) await buildQuinn("release");
    if (tests) await installAioquic();
    if (tests) await installFlatBuffers();
    if (bench) await requireTools(benchTools);
    if (bench) await buildQuinn("optimized");
    if (checks) await requireTools(checkTools);
  });
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  await runMain(() => {
    const given = readArguments("npm run setup", ["--tests", "--bench", "--checks"]);
    const has = (option) => given.includes(option);
    return setUp({ tests: has("--tests"), bench: has("--bench"), checks: has("--checks") });
  });
}
