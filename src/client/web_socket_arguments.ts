/** What a WebSocket may be asked to send. */
export type SocketData = string | ArrayBuffer | ArrayBufferView | Blob;

const encoder = new TextEncoder();
const schemes = new Map([
  ["http:", "ws:"],
  ["https:", "wss:"],
]);
/** A reason and a code fit into a control frame of 125 bytes (RFC 6455 section 5.5). */
const maxReasonBytes = 123;

/**
 * The URL of a new WebSocket, as its `url` says it: `http:` and `https:` mean `ws:` and `wss:`.
 * @throws DOMException SyntaxError
 */
export function readSocketUrl(given: string | URL): string {
  const { location } = globalThis as { readonly location?: { readonly href: string } };
  let url: URL;
  try {
    url = new URL(String(given), location?.href);
  } catch {
    throw new DOMException(`"${given}" is not a URL`, "SyntaxError");
  }
  if (url.hash !== "" || url.href.endsWith("#")) {
    throw new DOMException(`"${given}" has a fragment, and a WebSocket's has none`, "SyntaxError");
  }
  const scheme = schemes.get(url.protocol);
  return scheme === undefined ? url.href : scheme + url.href.slice(url.protocol.length);
}

/** The subprotocols that are offered. @throws DOMException SyntaxError */
export function readSocketProtocols(given: string | readonly string[]): readonly string[] {
  const protocols = (typeof given === "string" ? [given] : [...given]).map(String);
  const wrong = protocols.find(
    (name, index) => !/^[\w!#$%&'*+.^`|~-]+$/.test(name) || protocols.indexOf(name) !== index,
  );
  if (wrong === undefined) return protocols;
  throw new DOMException(`protocol "${wrong}" is no token, or is there twice`, "SyntaxError");
}

/** What `close` is given. @throws DOMException InvalidAccessError, SyntaxError */
export function checkSocketClose(code: number | undefined, reason: string): void {
  if (code !== undefined && code !== 1000 && !(code >= 3000 && code <= 4999)) {
    throw new DOMException(`code must be 1000 or from 3000 to 4999, and not ${code}`, "InvalidAccessError");
  }
  if (encoder.encode(reason).length > maxReasonBytes) {
    throw new DOMException(`a reason has at most ${maxReasonBytes} bytes in UTF-8`, "SyntaxError");
  }
}

/** The bytes of what is sent, but of a Blob, whose bytes are asked for. */
export function bytesOfData(data: unknown): Uint8Array | Blob {
  if (data instanceof Blob) return data;
  if (data instanceof ArrayBuffer) return new Uint8Array(data);
  if (ArrayBuffer.isView(data)) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return encoder.encode(String(data));
}
