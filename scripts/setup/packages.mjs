import { readFileSync } from "node:fs";
import { join } from "node:path";
import { runStep } from "./progress.mjs";
import { root } from "./tree.mjs";

/** Installs the npm packages of package-lock.json, unless node_modules has exactly these. */
export function installPackages() {
  return install({ name: "npm", title: "Installing npm packages", folder: ".", command: ["ci"] });
}

/** Installs the libraries that benchmarks put beside millrace. */
export function installBenchPeers() {
  return install({
    name: "npm-bench-peers",
    title: "Installing peers to measure",
    folder: join("bench", "peers"),
    // One of them names packages for other platforms that were never published, over which `npm ci` gives up.
    command: ["install", "--no-save"],
  });
}

async function install({ name, title, folder, command }) {
  if (packagesFit(folder)) return;
  const args = [...command, "--prefix", join(root, folder), "--ignore-scripts", "--no-audit", "--no-fund"];
  await runStep({ name, title, command: "npm", args });
}

/** npm leaves what it installed in a lock file of its own: no stamp of ours could be as true. */
function packagesFit(folder) {
  const wanted = readLock(join(folder, "package-lock.json"));
  const installed = readLock(join(folder, "node_modules", ".package-lock.json"));
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
