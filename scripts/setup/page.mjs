import { existsSync } from "node:fs";
import { join } from "node:path";
import { digest, readStamp, writeStamp } from "./stamp.mjs";
import { root } from "./tree.mjs";

const source = join("src", "cli", "page", "room.js");
export const pageScript = join("dist", "cli", "page", "room.js");

/** Bundles the script of the room's page, with what it needs of `millrace/client` in dist/, for browsers. */
export async function bundlePage() {
  const stamp = digest([source, "package.json"], readStamp("typescript"));
  if (existsSync(join(root, pageScript)) && readStamp("page") === stamp) return;
  const { buildSync } = await import("esbuild"); // which a fresh clone has only now
  buildSync({
    absWorkingDir: root,
    entryPoints: [source],
    outfile: pageScript,
    bundle: true,
    platform: "browser",
    format: "esm",
    target: "es2022",
    minify: true,
    legalComments: "eof",
    logLevel: "warning",
  });
  writeStamp("page", stamp);
}
