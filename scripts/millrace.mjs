// Sets the tree up, then runs the command line in this same process, so that signals reach it.
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { runMain } from "./setup/failure.mjs";
import { root } from "./setup/tree.mjs";
import { setUp } from "./setup.mjs";

await runMain(() => setUp());
process.argv[1] = join(root, "dist", "cli", "main.js");
await import(pathToFileURL(process.argv[1]).href);
