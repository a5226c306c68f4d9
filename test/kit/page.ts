import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import type { HttpHandler } from "millrace";
import { build, type Rollup } from "vite";

const root = fileURLToPath(new URL("../../../", import.meta.url));

/** How a page is served. */
export interface PageOptions {
  /** What comes before its script. */
  readonly html?: string;
  /** What it loads at need is in files of its own; true by default. */
  readonly splitting?: boolean;
}

/** Serves one page, whose script is a file of this project's, bundled by Vite as its users do, and compressed. */
export async function servePage(
  script: string,
  { html = "", splitting = true }: PageOptions = {},
): Promise<HttpHandler> {
  const built = (await build({
    root,
    configFile: false,
    logLevel: "silent",
    build: {
      write: false,
      target: "esnext",
      modulePreload: false,
      rollupOptions: {
        input: join(root, script),
        output: { entryFileNames: "page.js", ...(!splitting && { inlineDynamicImports: true }) },
      },
    },
  })) as Rollup.RollupOutput;
  const scripts = built.output.flatMap((file): [string, [string, Uint8Array]][] =>
    file.type === "chunk"
      ? [[`/${file.fileName}`, ["text/javascript; charset=utf-8", Buffer.from(file.code)]]]
      : [],
  );
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
