import { flag, isFunction, isObject, listOf, option, optional } from "../options/schema.js";
import type { AdmissionOptions } from "./admission.js";
import type { HttpHandler } from "./http.js";
import type { ServerTlsOptions } from "./tls.js";
import type { TransportListenOptions, TransportOptions } from "./transport.js";

/** How those are read that only a listener has. What `tls` holds is read by who loads it. */
export const listenerOptions = {
  tls: optional(option<ServerTlsOptions>("an object of TLS options", isObject)),
  http: optional(option<HttpHandler>("a function", isFunction)),
  admit: optional(option<NonNullable<AdmissionOptions["admit"]>>("a function", isFunction)),
  abandoned: optional(option<NonNullable<AdmissionOptions["abandoned"]>>("a function", isFunction)),
  origins: optional(
    listOf<string>("a list of origins as browsers write them, like https://example.com", 0, isOrigin),
  ),
  allowMissingOrigin: optional(flag),
  permessageDeflate: optional(flag),
  reusePort: optional(flag),
} satisfies Record<
  Exclude<keyof TransportListenOptions, "url" | "earlyData" | keyof TransportOptions>,
  unknown
>;

/** Whether a browser could name it so (RFC 6454 section 6.1): no path, no port that the scheme has anyway. */
function isOrigin(value: unknown): boolean {
  if (value === "null") return true;
  if (typeof value !== "string" || !/^[a-z][a-z0-9+.-]*:\/\/[^/?#@*\s]+$/i.test(value)) return false;
  if (!URL.canParse(value)) return false;
  const { origin } = new URL(value); // "null" of schemes that are no web page's, like those of browsers' extensions
  return origin === "null" || origin === value.toLowerCase();
}
