import { InvalidArgumentError } from "../errors.js";

/** Why a server answers an upgrade request with plain HTTP. */
export interface Refusal {
  readonly status: 400 | 404;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

const plainText = { "content-type": "text/plain" };

/**
 * Those of the names that a subprotocol can have, a token (RFC 6455 section 4.1), each once: the others are meant for
 * QUIC, whose ALPN takes any bytes.
 * @throws InvalidArgumentError where that leaves none of several.
 */
export function subprotocols(names: readonly string[]): readonly string[] {
  const tokens = [...new Set(names)].filter((name) => /^[\w!#$%&'*+.^`|~-]+$/.test(name));
  if (tokens.length > 0 || names.length === 0) return tokens;
  throw new InvalidArgumentError(
    `protocols has no name that a WebSocket's subprotocol can have, which is letters, digits and !#$%&'*+-.^_\`|~`,
  );
}

/** The path of a URL path that may have a query. */
export function pathname(path: string): string {
  const query = path.indexOf("?");
  return query < 0 ? path : path.slice(0, query);
}

/**
 * The server's side of the opening handshake (RFC 6455 section 4.2.2): the subprotocol, which is the first of
 * the server's that the client offered, or a refusal. A server that names none takes the client's first.
 * @param offered the client's `Sec-WebSocket-Protocol`; empty where it sent none.
 * @returns the subprotocol, empty for none.
 */
export function negotiate(
  wanted: { readonly path: string; readonly protocols: readonly string[] },
  path: string,
  offered: string,
): string | Refusal {
  if (pathname(path) !== pathname(wanted.path))
    return { status: 404, headers: plainText, body: "no WebSocket here\n" };
  const names = offered.split(",").map((name) => name.trim());
  if (wanted.protocols.length === 0) return names[0] ?? "";
  const chosen = wanted.protocols.find((protocol) => names.includes(protocol));
  if (chosen !== undefined) return chosen;
  const served = wanted.protocols.join(", ");
  const headers = { ...plainText, "sec-websocket-protocol": served };
  return { status: 400, headers, body: `subprotocols served here: ${served}\n` };
}
