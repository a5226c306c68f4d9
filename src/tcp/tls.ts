import { type ConnectionOptions, checkServerIdentity, type TlsOptions } from "node:tls";
import type { ClientCredential, ServerCredential } from "../transport/credential.js";
import { nodeClientTls, nodeServerTls } from "../transport/node_tls.js";

/** What node:tls is told for a server. @throws InvalidArgumentError */
export function serverTls(credential: ServerCredential, protocols: readonly string[]): TlsOptions {
  return { ...nodeServerTls(credential), ALPNProtocols: [...protocols] };
}

/** What node:tls is told for a client. */
export function clientTls(credential: ClientCredential, protocols: readonly string[]): ConnectionOptions {
  return {
    ...nodeClientTls(credential),
    checkServerIdentity: (_host, certificate) => checkServerIdentity(credential.serverName, certificate),
    ALPNProtocols: [...protocols],
  };
}
