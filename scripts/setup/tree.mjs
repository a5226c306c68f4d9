import { readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The directory that holds package.json. */
export const root = join(dirname(fileURLToPath(import.meta.url)), "..", "..");

export const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));

/**
 * Every file under the given folders and files (relative to the root; absent ones count as empty),
 * relative to the root and sorted. `enter` and `take` pick among folders and files.
 */
export function listFiles(paths, { enter = () => true, take = () => true } = {}) {
  const found = [];
  const visit = (path) => {
    const stat = statSync(join(root, path), { throwIfNoEntry: false });
    if (stat?.isFile()) {
      if (take(path)) found.push(path);
    } else if (stat?.isDirectory() && enter(path)) {
      for (const name of readdirSync(join(root, path))) visit(join(path, name));
    }
  };
  for (const path of paths) visit(path);
  return found.sort();
}
