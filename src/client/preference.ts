/** The names of the built-in transports by their URLs' schemes; another's is its scheme. */
const names: Readonly<Record<string, string>> = {
  quic: "quic",
  ws: "websocket",
  wss: "websocket",
  tcp: "tcp",
  tls: "tcp",
};

/** The transport that a URL asks for. @param url one that `parseTransportUrl` takes. */
export function transportNameOf(url: string): string {
  const scheme = url.slice(0, url.indexOf(":")).toLowerCase();
  return Object.hasOwn(names, scheme) ? names[scheme]! : scheme;
}

/**
 * In what order a client tries URLs: those of the transport that it prefers, or of that scheme, then QUIC, then the
 * others; and those that are alike as they were given.
 */
export function byPreference(urls: readonly string[], preferred: string | undefined): readonly string[] {
  const rank = (url: string) => {
    const name = transportNameOf(url);
    if (preferred !== undefined && (name === preferred || url.startsWith(`${preferred}:`))) return 0;
    return name === "quic" ? 1 : 2;
  };
  return [...urls].sort((a, b) => rank(a) - rank(b)); // which is stable
}
