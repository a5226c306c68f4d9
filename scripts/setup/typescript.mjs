import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { pageScript } from "./page.mjs";
import { runStep } from "./progress.mjs";
import { digest, readStamp, writeStamp } from "./stamp.mjs";
import { listFiles, root } from "./tree.mjs";

const isSource = (path) => /\.ts$/.test(path);
const settings = ["tsconfig.base.json", "tsconfig.json", join("test", "tsconfig.json"), "package-lock.json"];

/** Compiles src/ to dist/. */
export function compileSources() {
  return compile({
    name: "typescript",
    title: "Compiling TypeScript",
    project: "tsconfig.json",
    sources: listFiles(["src"], { take: isSource }),
    outputOf: (source) => join("dist", source.slice("src/".length)),
    outDir: "dist",
  });
}

/** Compiles test/ and bench/ to out/, against the declarations in dist/. */
export function compileTests() {
  return compile({
    name: "tests",
    title: "Compiling the tests",
    project: join("test", "tsconfig.json"),
    sources: listFiles(["test", "bench"], { take: isSource }),
    outputOf: (source) => join("out", source),
    outDir: "out",
    dependsOn: readStamp("typescript"),
  });
}

async function compile({ name, title, project, sources, outputOf, outDir, dependsOn = "" }) {
  const outputs = new Set(sources.map((source) => outputOf(source).replace(/\.ts$/, ".js")));
  const complete = [...outputs].every((file) => existsSync(join(root, file)));
  const stamp = digest([...settings, ...sources], dependsOn);
  if (complete && readStamp(name) === stamp) return;

  // tsc trusts its own record of what it wrote, and never removes what has no source any more.
  if (!complete)
    rmSync(join(root, "build", `${name === "tests" ? "test" : "src"}.tsbuildinfo`), { force: true });
  for (const file of listFiles([outDir])) {
    if (file !== pageScript && !outputs.has(file.replace(/\.d\.ts$/, ".js"))) rmSync(join(root, file));
  }
  const tsc = join("node_modules", "typescript", "bin", "tsc");
  await runStep({ name, title, command: process.execPath, args: [tsc, "-p", project] });
  writeStamp(name, stamp);
}
