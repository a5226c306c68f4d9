import { readFile } from "node:fs/promises";
import type { HttpHandler, HttpResponse } from "../index.js";

const types = {
  html: "text/html; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  css: "text/css; charset=utf-8",
  svg: "image/svg+xml",
} as const;

/**
 * What the page is made of, by path; relative to this file in `dist/cli`. Its script is bundled with `millrace/client` by
 * the build; the rest is served as it is in the sources.
 */
const files: Readonly<Record<string, string>> = {
  "/": "../../src/cli/page/index.html",
  "/room.js": "page/room.js",
  "/style.css": "../../src/cli/page/style.css",
  "/icon.svg": "../../src/cli/page/icon.svg",
};

/** Nothing is loaded from elsewhere, and nobody may frame the page. */
const headers = {
  "content-security-policy":
    "default-src 'self'; connect-src 'self' ws: wss:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cache-control": "no-cache",
  // An idle connection that a browser keeps would hold up the server's end.
  connection: "close",
};

/**
 * Answers GET and HEAD for the room's page; its files are read once, here.
 * @param addresses gives what the page tells about other ways in, once they are known.
 */
export async function loadPage(addresses: () => object): Promise<HttpHandler> {
  const responses = new Map<string, HttpResponse>();
  for (const [path, file] of Object.entries(files)) {
    const body = await readFile(new URL(file, import.meta.url));
    const extension = file.slice(file.lastIndexOf(".") + 1) as keyof typeof types;
    responses.set(path, { status: 200, headers: { ...headers, "content-type": types[extension] }, body });
  }
  return ({ method, path }) => {
    const file = path.replace(/\?.*$/s, "");
    const response = file === "/addresses.json" ? json(addresses()) : responses.get(file);
    if (response === undefined) return undefined;
    if (method === "GET" || method === "HEAD") return response;
    return { status: 405, headers: { allow: "GET, HEAD" }, body: "" };
  };
}

function json(value: object): HttpResponse {
  return {
    status: 200,
    headers: { ...headers, "content-type": "application/json" },
    body: JSON.stringify(value),
  };
}
