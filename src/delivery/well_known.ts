import { DiscoveryFailedError, InvalidArgumentError } from "../errors.js";
import { parseTransportUrl } from "../transport/address.js";

/** Where a host says by what URLs its server is reached (RFC 8615). */
export const wellKnownPath = "/.well-known/millrace";
/** The largest document that a client reads. */
export const maxWellKnownBytes = 16 * 1_024;
const maxUrls = 32;
const maxAgeSeconds = 86_400;
const defaultMaxAgeSeconds = 3_600;
/** Whoever is sent to these from a document that came by HTTPS would lose its protection. */
const inClear: readonly string[] = ["ws", "tcp"];

/** What a host says of its server. */
export interface WellKnown {
  /** Those of the host itself, and not in the clear; at least one. */
  readonly urls: readonly string[];
  /** How long that holds. */
  readonly maxAgeSeconds: number;
}

/** As JSON: `{"urls": ["quic://example.com:4433", …], "maxAge": 3600}`. @throws InvalidArgumentError */
export function encodeWellKnown({ urls, maxAgeSeconds: maxAge }: WellKnown): string {
  for (const url of urls) {
    const { scheme, port } = parseTransportUrl(url);
    if (inClear.includes(scheme) || port === 0) {
      throw new InvalidArgumentError(`no client would take ${url}: it needs a port and a scheme with TLS`);
    }
  }
  const text = JSON.stringify({ urls, maxAge });
  if (urls.length === 0 || urls.length > maxUrls || text.length > maxWellKnownBytes) {
    throw new InvalidArgumentError(`urls must be 1 to ${maxUrls} URLs, ${maxWellKnownBytes} bytes together`);
  }
  return text;
}

/**
 * Reads what a host has answered. URLs that this client may not take are passed over: they are other clients'.
 * @param host as `new URL(…).hostname` has it.
 * @throws DiscoveryFailedError
 */
export function readWellKnown(text: string, host: string): WellKnown {
  const { urls, maxAge = defaultMaxAgeSeconds } = parse(text);
  if (!Array.isArray(urls) || urls.length > maxUrls) throw malformed(`"urls" is no list of up to ${maxUrls}`);
  if (typeof maxAge !== "number" || !(maxAge >= 0)) throw malformed(`"maxAge" is no number of seconds`);
  const usable = urls.filter((url) => isOf(url, host));
  if (usable.length === 0)
    throw malformed(`none of its ${urls.length} URLs is of ${host}, and not in the clear`);
  return { urls: usable, maxAgeSeconds: Math.min(maxAge, maxAgeSeconds) };
}

function parse(text: string): { urls?: unknown; maxAge?: unknown } {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (cause) {
    throw malformed("it is no JSON", cause);
  }
  return typeof parsed === "object" && parsed !== null ? parsed : {};
}

/** A document speaks for its own host alone: who may write a file there is not to send sessions elsewhere. */
function isOf(url: unknown, host: string): boolean {
  if (typeof url !== "string") return false;
  try {
    const { scheme } = parseTransportUrl(url);
    // Of schemes that it does not know, URL leaves the host as it is written.
    return !inClear.includes(scheme) && new URL(url).hostname.toLowerCase() === host;
  } catch {
    return false;
  }
}

function malformed(what: string, cause?: unknown): DiscoveryFailedError {
  return new DiscoveryFailedError(`the document ${wellKnownPath} cannot be used: ${what}`, { cause });
}
