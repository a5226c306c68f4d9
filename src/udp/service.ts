import { encodeFrame, type FrameContents, Kind } from "../frame/frame.js";
import { formatHost, parseTransportUrl, type SocketAddress } from "../transport/address.js";
import { maxFrameBytes } from "./envelope.js";

/** What somebody offers. */
export interface Service {
  readonly name: string;
  readonly urls: readonly string[];
}

/** One that has answered. */
export interface FoundService extends Service {
  /** Who answered. */
  readonly address: SocketAddress;
}

const noHeader = { flags: 0, channel: 0, type: 0, seq: 0, ref: 0 };
const urlKey = "url";
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** A query, for one name or for all: as large as any answer to it may be, which an announcer holds itself to. */
export function encodeQuery(name: string | undefined): Uint8Array {
  const query = (padding: number) =>
    encodeFrame({ ...noHeader, kind: Kind.Request }, new Uint8Array(padding), { subject: name });
  let padding = maxFrameBytes - query(0).length;
  while (query(padding).length > maxFrameBytes) padding -= 1; // parts are aligned
  return query(padding);
}

/** An answer. @param question the nonce of the query. */
export function encodeReply({ name, urls }: Service, question: Uint8Array): Uint8Array {
  const meta = urls.map((url) => ({ key: urlKey, value: encoder.encode(url) }));
  return encodeFrame({ ...noHeader, kind: Kind.Response }, question, { subject: name, meta });
}

/** What an answer says; undefined where it says nothing that can be understood. */
export function readReply({ subject, meta = [] }: FrameContents): Service | undefined {
  const urls = meta.filter(({ key }) => key === urlKey).map(({ value }) => decoder.decode(value));
  if (!subject || urls.length === 0) return undefined;
  return { name: subject, urls };
}

/**
 * A service's URL as others reach it; undefined where they do not, or where it is no URL. A server that listens on all
 * of its addresses does not know which of them others know: the answer came from one.
 */
export function reachableUrl(url: string, from: SocketAddress): string | undefined {
  try {
    const { scheme, host, port, path } = parseTransportUrl(url);
    if (host !== "0.0.0.0" && host !== "::") return url;
    if (host === "0.0.0.0" && from.family !== "ipv4") return undefined;
    const address = formatHost(from.address.replace("%", "%25")); // RFC 6874
    return `${scheme}://${address}:${port}${path === "/" ? "" : path}`;
  } catch {
    return undefined;
  }
}
