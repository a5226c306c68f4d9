import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import type { HttpHandler } from "millrace";

const root = fileURLToPath(new URL("../../../", import.meta.url));

/** How a page is served. */
export interface PageOptions {
  /** What comes before its script. */
  readonly html?: string;
  /** What it loads at need is in files of its own; true by default. */
  readonly splitting?: boolean;
}

/** Serves one page, whose script is a file of this project's, bundled as its users do, and compressed. */
export async function servePage(
  script: string,
  { html = "", splitting = true }: PageOptions = {},
): Promise<HttpHandler> {
  const folder = join(root, "page"); // as far as names go: nothing is written
  const { outputFiles } = await build({
    absWorkingDir: root,
    entryPoints: { page: script },
    outdir: folder,
    bundle: true,
    minify: true,
    splitting,
    platform: "browser",
    format: "esm",
    write: false,
  });
  const scripts = outputFiles.map(({ path, contents }): [string, [string, Uint8Array]] => [
    `/${relative(folder, path)}`,
    ["text/javascript; charset=utf-8", contents],
  ]);
  const page = `${html}<script type="module" src="page.js"></script>`;
  const answers = new Map([...scripts, ["/", ["text/html; charset=utf-8", Buffer.from(page)]]] as const);
  const bodies = new Map(
    Array.from(answers, ([path, [type, body]]) => [path, { type, body: gzipSync(body) }]),
  );
  return ({ path }) => {
    const answer = bodies.get(path.split("?")[0]!);
    if (answer === undefined) return undefined;
    const { type, body } = answer;
    // A connection that the browser keeps would hold up the server's end.
    const headers = { "content-type": type, "content-encoding": "gzip", connection: "close" };
    return { status: 200, headers, body };
  };
}
