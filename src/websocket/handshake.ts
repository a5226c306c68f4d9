import { STATUS_CODES } from "node:http";
import { retryAfterSeconds } from "../transport/admission.js";
import { allowsOrigin, type OriginRules } from "./origin.js";

/** Why a server answers an upgrade request with plain HTTP. */
export interface Refusal {
  readonly status: 400 | 403 | 404 | 503;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

const plainText = { "content-type": "text/plain" };

/** The answer to one who is not admitted. */
export const noRoom: Refusal = {
  status: 503,
  headers: { ...plainText, "retry-after": `${retryAfterSeconds}` },
  body: "no room now\n",
};

/** A status as HTTP/1.1 writes it. */
export function statusLine(status: number): string {
  return `${status} ${STATUS_CODES[status] ?? ""}`;
}

/** The path of a URL path that may have a query. */
export function pathname(path: string): string {
  const query = path.indexOf("?");
  return query < 0 ? path : path.slice(0, query);
}

/** What a server takes. */
export interface Wanted {
  readonly path: string;
  readonly protocols: readonly string[];
  readonly origins: OriginRules;
}

/** What a client asks for: its headers are empty where it sent none. */
export interface Asked {
  readonly path: string;
  /** `Sec-WebSocket-Protocol` */
  readonly protocols: string;
  readonly origin: string;
}

/**
 * The server's side of the opening handshake (RFC 6455 section 4.2.2): the subprotocol, which is the first of
 * the server's that the client offered, or a refusal. A server that names none takes the client's first.
 * @returns the subprotocol, empty for none.
 */
export function negotiate(wanted: Wanted, asked: Asked): string | Refusal {
  if (pathname(asked.path) !== pathname(wanted.path))
    return { status: 404, headers: plainText, body: "no WebSocket here\n" };
  if (!allowsOrigin(wanted.origins, asked.origin))
    return { status: 403, headers: plainText, body: "not for pages of this origin\n" };
  if (wanted.protocols[0] === asked.protocols && asked.protocols !== "") return asked.protocols;
  const names = asked.protocols.split(",").map((name) => name.trim());
  if (wanted.protocols.length === 0) return names[0] ?? "";
  const chosen = wanted.protocols.find((protocol) => names.includes(protocol));
  if (chosen !== undefined) return chosen;
  const served = wanted.protocols.join(", ");
  const headers = { ...plainText, "sec-websocket-protocol": served };
  return { status: 400, headers, body: `subprotocols served here: ${served}\n` };
}
