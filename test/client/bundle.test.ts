import assert from "node:assert/strict";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

const root = fileURLToPath(new URL("../../../", import.meta.url));

/** What a page may cost that speaks sessions. */
const mostGzipBytes = 32 * 1024;

test("millrace/client is bundled for browsers without Node.js, without native code, and small", async () => {
  const { outputFiles, metafile } = await build({
    stdin: { contents: 'export { connectSession } from "millrace/client";', resolveDir: root },
    bundle: true,
    platform: "browser",
    format: "esm",
    minify: true,
    write: false,
    metafile: true,
    logLevel: "silent", // what cannot be resolved, as Node's own modules, is thrown
  });
  const sources = Object.keys(metafile.inputs);
  assert.ok(sources.includes("dist/client/browser.js"));
  const unwanted = sources.filter((path) => /native|quic|tcp|ws\/|uws|server/.test(path));
  assert.deepEqual(unwanted, []);
  const { length } = gzipSync(outputFiles[0]!.contents, { level: 9 });
  assert.ok(length <= mostGzipBytes, `${length} bytes`);
});
