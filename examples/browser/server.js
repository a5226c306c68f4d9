// The server of a chat room in the browser, and of its page: node examples/browser/server.js, then open what it prints.
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { build } from "esbuild"; // any bundler will do: the page needs nothing but millrace/client
import { createServer } from "millrace/server";

const here = (file) => fileURLToPath(new URL(file, import.meta.url));

export async function serveRoom(url) {
  const page = await readFile(here("index.html"), "utf8");
  const { outputFiles } = await build({
    entryPoints: [here("chat.js")],
    bundle: true,
    format: "esm",
    minify: true,
    write: false,
  });
  const files = {
    "/": ["text/html; charset=utf-8", page],
    "/chat.js": ["text/javascript; charset=utf-8", outputFiles[0].text],
  };
  const said = new Set(); // the ids of the latest lines

  const server = await createServer(
    {
      listen: url,
      topics: { history: { room: { count: 100 } } },
      http({ path }) {
        const [type, body] = files[path] ?? [];
        const headers = { "content-type": type, connection: "close" };
        return type && { status: 200, headers, body };
      },
    },
    {
      subscribe: (_session, pattern) => pattern === "room",
      message(_session, message) {
        const { id, text } = message.json();
        if (said.has(id)) return; // a page that was closed before it heard of its line says it again
        said.add(id);
        if (said.size > 1_000) said.delete(said.values().next().value);
        server.publish("room", JSON.stringify({ id, text: String(text).slice(0, 1_000) }));
      },
    },
  );
  return server;
}

if (process.argv[1] === here("server.js")) {
  const server = await serveRoom("ws://127.0.0.1:8080");
  console.log(server.urls[0].replace("ws:", "http:"));
}
