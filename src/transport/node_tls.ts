import { isIP } from "node:net";
import type { ConnectionOptions } from "node:tls";
import type { ClientCredential } from "./credential.js";

/** What node:tls is told of whom a client trusts, and who it is. */
export function nodeClientTls({
  identity,
  caPem,
  serverName,
  insecure,
}: ClientCredential): ConnectionOptions {
  return {
    ...(caPem !== undefined && { ca: caPem }),
    ...(identity !== undefined && { cert: identity.certificatePem, key: identity.privateKeyPem }),
    // SNI names hosts, never addresses (RFC 6066 section 3); a certificate's address is checked either way.
    ...(isIP(serverName) === 0 && { servername: serverName }),
    rejectUnauthorized: !insecure,
  };
}
