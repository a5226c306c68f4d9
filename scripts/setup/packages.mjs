import { readFileSync } from "node:fs";
import { join } from "node:path";
import { runStep } from "./progress.mjs";
import { root } from "./tree.mjs";

/** Installs the npm packages of package-lock.json, unless node_modules has exactly these. */
export async function installPackages() {
  if (packagesFit()) return;
  await runStep({
    name: "npm",
    title: "Installing npm packages",
    command: "npm",
    args: ["ci", "--ignore-scripts", "--no-audit", "--no-fund"],
  });
}

/** npm leaves what it installed in a lock file of its own: no stamp of ours could be as true. */
function packagesFit() {
  const wanted = readLock("package-lock.json");
  const installed = readLock(join("node_modules", ".package-lock.json"));
  if (installed === undefined) return false;
  return Object.entries(wanted).every(([path, entry]) => {
    if (path === "") return true;
    const have = installed[path];
    // npm leaves out optional packages for other platforms.
    if (have === undefined) return entry.optional === true || entry.devOptional === true;
    return have.version === entry.version && have.integrity === entry.integrity;
  });
}

function readLock(file) {
  try {
    return JSON.parse(readFileSync(join(root, file), "utf8")).packages;
  } catch (error) {
    if (error.code === "ENOENT") return undefined;
    throw error;
  }
}
