import { encodeWellKnown, wellKnownPath } from "../delivery/well_known.js";
import { readOptions } from "../options/read.js";
import { integer, isFunction, object, option, optional, withDefault } from "../options/schema.js";
import type { HttpHandler, HttpResponse } from "../transport/http.js";

/** How a host tells clients of its server. */
export interface WellKnownOptions {
  /** How long clients keep what they were told, in seconds, 0..86,400; 3,600 by default. */
  readonly maxAgeSeconds?: number | undefined;
  /** Answers all other requests; 404 by default. */
  readonly otherwise?: HttpHandler | undefined;
}

const schema = object({
  maxAgeSeconds: withDefault(integer(0, 86_400), 3_600),
  otherwise: optional(option<HttpHandler>("a function", isFunction)),
} satisfies Record<keyof WellKnownOptions, unknown>);

/**
 * Tells clients that know a host alone, `connect("https://example.com")`, by what URLs they reach its server: a handler
 * for the option `http`, which answers `/.well-known/millrace`. It must be served by HTTPS, so by a `wss://` listener, or
 * from behind what ends TLS.
 * @param urls as clients see them, of the same host: `quic://example.com:4433`, `wss://example.com`. A function is asked
 *   at each request.
 * @throws InvalidArgumentError where no client would take one of them: in the clear (`ws`, `tcp`), without a port, or
 *   more than 32
 */
export function wellKnown(
  urls: readonly string[] | (() => readonly string[]),
  options: WellKnownOptions = {},
): HttpHandler {
  const { maxAgeSeconds, otherwise } = readOptions(schema, options);
  const encode = () => encodeWellKnown({ urls: typeof urls === "function" ? urls() : urls, maxAgeSeconds });
  if (typeof urls !== "function") encode(); // so that what is wrong is told here
  const headers = {
    "content-type": "application/json",
    "cache-control": `max-age=${maxAgeSeconds}`,
    "access-control-allow-origin": "*", // a page may come from another host, and all of this is public
  };
  return (request): HttpResponse | undefined => {
    if (request.path.split("?", 1)[0] !== wellKnownPath) return otherwise?.(request);
    if (request.method !== "GET") return { status: 405, headers: { allow: "GET" } };
    return { status: 200, headers, body: encode() };
  };
}
