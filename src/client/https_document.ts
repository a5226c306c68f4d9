import type { IncomingMessage } from "node:http";
import { get } from "node:https";
import { checkServerIdentity } from "node:tls";
import { connectError } from "../transport/connect_error.js";
import { loadClientCredential } from "../transport/credential.js";
import { keyLogger, nodeClientTls, peerCertificate } from "../transport/node_tls.js";
import { pinError } from "../transport/pins.js";
import { type FetchDocument, type FetchedDocument, tooLarge } from "./discovery.js";

/** Gets a document as Node.js does, by the client's own TLS options. */
export const httpsDocument: FetchDocument = async (url, { tls, signal, maxBytes }) => {
  const { hostname, origin } = new URL(url);
  const credential = await loadClientCredential(tls, hostname.replace(/^\[(.*)\]$/, "$1"));
  const { serverName, keyLogFile } = credential;
  const options = {
    ...nodeClientTls(credential),
    checkServerIdentity: (_host: string, certificate: Parameters<typeof checkServerIdentity>[1]) =>
      checkServerIdentity(serverName, certificate),
    agent: false, // one request, and its socket is gone
    headers: { accept: "application/json" },
    signal,
  } as const;
  return new Promise((resolve, reject) => {
    const fail = (cause: Error) => reject(connectError(cause, origin));
    const request = get(url, options, (response) => {
      const error = pinError(credential.pins, peerCertificate(response.socket), origin);
      if (error !== undefined) {
        response.destroy();
        reject(error);
      } else read(response.on("error", fail), maxBytes, resolve, () => reject(tooLarge(url, maxBytes)));
    });
    request.on("error", fail);
    if (keyLogFile !== undefined)
      request.on("socket", (socket) => socket.on("keylog", keyLogger(keyLogFile)));
  });
};

function read(
  response: IncomingMessage,
  maxBytes: number,
  resolve: (document: FetchedDocument) => void,
  exceed: () => void,
): void {
  const chunks: Buffer[] = [];
  let bytes = 0;
  response.on("data", (chunk: Buffer) => {
    bytes += chunk.length;
    chunks.push(chunk);
    if (bytes <= maxBytes) return;
    exceed();
    response.destroy();
  });
  response.on("end", () => {
    resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString() });
  });
}
