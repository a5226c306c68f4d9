import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import type { HttpHandler } from "millrace";

const root = fileURLToPath(new URL("../../../", import.meta.url));

/** Serves one page, whose script is a file of this project's, bundled as its users do. */
export async function servePage(script: string, html = ""): Promise<HttpHandler> {
  const { outputFiles } = await build({
    absWorkingDir: root,
    entryPoints: [script],
    bundle: true,
    platform: "browser",
    format: "esm",
    write: false,
  });
  const [bundle] = outputFiles;
  const answers = new Map([
    ["/", ["text/html; charset=utf-8", `${html}<script type="module" src="page.js"></script>`]],
    ["/page.js", ["text/javascript; charset=utf-8", bundle!.text]],
  ]);
  return ({ path }) => {
    const answer = answers.get(path.split("?")[0]!);
    if (answer === undefined) return undefined;
    const [type, body] = answer;
    // A connection that the browser keeps would hold up the server's end.
    return { status: 200, headers: { "content-type": type!, connection: "close" }, body: body! };
  };
}
