import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import type { HttpHandler } from "millrace";
import { build, type Rollup } from "vite";

const root = fileURLToPath(new URL("../../../", import.meta.url));

/** Serves a page of this project's as Vite builds it for its users: its file names by then, compressed. @param isWhole in one script */
export async function servePage(html: string, isWhole = false): Promise<HttpHandler> {
  const built = (await build({
    root,
    configFile: false,
    logLevel: "silent",
    build: {
      write: false,
      target: "esnext",
      rollupOptions: { input: join(root, html), output: isWhole ? { inlineDynamicImports: true } : {} },
    },
  })) as Rollup.RollupOutput;
  const answers = new Map(
    built.output.map((file) => [file.fileName === html ? "/" : `/${file.fileName}`, answerOf(file)]),
  );
  return ({ path }) => answers.get(path.split("?")[0]!);
}

function answerOf(file: Rollup.OutputChunk | Rollup.OutputAsset) {
  const isScript = file.type === "chunk";
  const headers = {
    "content-type": `text/${isScript ? "javascript" : "html"}; charset=utf-8`,
    "content-encoding": "gzip",
    connection: "close", // one that the browser keeps would hold up the server's end
  };
  return { status: 200, headers, body: gzipSync(isScript ? file.code : file.source) };
}
