import { InvalidArgumentError } from "../errors.js";
import { show } from "../options/read.js";

/** One end of a connection, as the operating system names it. */
export interface SocketAddress {
  /** An IPv4 or IPv6 address, never a name; empty in a page, whose browser does not tell it. */
  readonly address: string;
  readonly family: "ipv4" | "ipv6";
  /** 1..65535; 0 where the library does not tell it (uWebSockets.js for its clients). */
  readonly port: number;
}

/** `127.0.0.1:4433` or `[::1]:4433`. */
export function formatAddress(address: SocketAddress): string {
  return `${formatHost(address.address)}:${address.port}`;
}

/** A host as URLs have it: IPv6 in brackets. */
export function formatHost(host: string): string {
  return host.includes(":") ? `[${host}]` : host;
}

/** An address without its zone, which says something to this machine only. */
export function withoutZone(address: string): string {
  return address.replace(/%.*$/, "");
}

/** Where to listen or connect: a URL taken apart, its host not yet resolved. */
export interface TransportUrl {
  /** Without the colon: `quic`, `ws`, `wss`. */
  readonly scheme: string;
  /** A name or an address; IPv6 without brackets, a link-local one perhaps with its zone: `fe80::1%eth0`. */
  readonly host: string;
  /** 0..65535; 0 asks the operating system for a free port when listening. */
  readonly port: number;
  /** The path and query; `/` where the URL names none. */
  readonly path: string;
}

/** @throws InvalidArgumentError where it is neither a string nor a URL. */
function urlText(url: unknown): string {
  if (typeof url === "string") return url;
  try {
    if (url instanceof URL) return url.href;
  } catch {
    // what only has the prototype of one
  }
  throw new InvalidArgumentError(`a url must be a string like quic://localhost:4433, and not ${show(url)}`);
}

/**
 * Takes a URL such as `quic://localhost:4433` apart.
 * @throws InvalidArgumentError when it is not `scheme://host:port[/path]`.
 */
export function parseTransportUrl(given: string): TransportUrl {
  const url = urlText(given);
  // The URL standard knows no zones; RFC 6874 writes them like [fe80::1%25eth0].
  const zoned = /^([a-z][a-z0-9+.-]*:\/\/\[[0-9a-f:.]+)%(?:25)?([\w.~-]+)(\].*)$/i.exec(url);
  const [plain, zone] = zoned === null ? [url, ""] : [`${zoned[1]}${zoned[3]}`, `%${zoned[2]}`];
  let parsed: URL;
  try {
    parsed = new URL(plain);
  } catch (cause) {
    throw new InvalidArgumentError(`"${url}" is not a URL; write it like quic://localhost:4433`, { cause });
  }
  const scheme = parsed.protocol.slice(0, -1);
  const defaultPort = scheme === "ws" ? 80 : scheme === "wss" ? 443 : undefined;
  const port = parsed.port === "" ? defaultPort : Number(parsed.port);
  if (parsed.hostname === "" && !plain.includes("://")) {
    throw new InvalidArgumentError(`"${url}" has no scheme; write it like quic://localhost:4433`);
  }
  if (parsed.hostname === "" || port === undefined) {
    throw new InvalidArgumentError(`"${url}" needs a host and a port, like ${scheme}://localhost:4433`);
  }
  if (parsed.username !== "" || parsed.password !== "" || parsed.hash !== "") {
    throw new InvalidArgumentError(`"${url}" must not carry a user name, password or fragment`);
  }
  const host = `${parsed.hostname.replace(/^\[(.*)\]$/, "$1")}${zone}`;
  return { scheme, host, port, path: `${parsed.pathname || "/"}${parsed.search}` };
}
