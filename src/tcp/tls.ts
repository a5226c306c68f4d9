import { type ConnectionOptions, checkServerIdentity } from "node:tls";
import type { ClientCredential } from "../transport/credential.js";
import { nodeClientTls } from "../transport/node_tls.js";

/** What node:tls is told for a client. */
export function clientTls(credential: ClientCredential, protocols: readonly string[]): ConnectionOptions {
  return {
    ...nodeClientTls(credential),
    checkServerIdentity: (_host, certificate) => checkServerIdentity(credential.serverName, certificate),
    ALPNProtocols: [...protocols],
  };
}
