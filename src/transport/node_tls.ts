import type { X509Certificate } from "node:crypto";
import { appendFile } from "node:fs/promises";
import { isIP, type Socket } from "node:net";
import { type ConnectionOptions, type SecureContextOptions, TLSSocket } from "node:tls";
import type { ClientCredential } from "./credential.js";
import type { CipherSuite } from "./tls.js";

/** What node:tls is told of whom a client trusts, and who it is. */
export function nodeClientTls({
  identity,
  caPem,
  serverName,
  insecure,
  cipherSuites,
}: ClientCredential): ConnectionOptions {
  return {
    ...(caPem !== undefined && { ca: caPem }),
    ...(identity !== undefined && { cert: identity.certificatePem, key: identity.privateKeyPem }),
    // SNI names hosts, never addresses (RFC 6066 section 3); a certificate's address is checked either way.
    ...(isIP(serverName) === 0 && { servername: serverName }),
    ...only(cipherSuites),
    rejectUnauthorized: !insecure,
  };
}

/** These are of TLS 1.3; without it there would be older ones. */
export function only(cipherSuites: readonly CipherSuite[] | undefined): SecureContextOptions {
  return cipherSuites === undefined ? {} : { ciphers: cipherSuites.join(":"), minVersion: "TLSv1.3" };
}

/** Takes the secrets of connections, as node:tls tells them. */
export function keyLogger(file: string): (line: Buffer) => void {
  return (line) => void appendFile(file, line, { mode: 0o600 }).catch((error) => process.emitWarning(error));
}

/** Whether a client has shown a certificate that no CA of ours vouches for; where none has to be, none is well. */
export function isRefused(socket: TLSSocket): boolean {
  return !socket.authorized && peerCertificate(socket) !== undefined;
}

const shown = new WeakMap<TLSSocket, X509Certificate>();

/**
 * The certificate that the other end of a socket has shown; it is gone with the socket. A client that asks Node.js 20 for it
 * takes it out of the chain: asked again, that has the next of the chain, or none.
 */
export function peerCertificate(socket: Socket): X509Certificate | undefined {
  if (!(socket instanceof TLSSocket) || socket.destroyed) return undefined;
  const known = shown.get(socket);
  if (known !== undefined) return known;
  const certificate = socket.getPeerX509Certificate();
  if (certificate !== undefined) shown.set(socket, certificate);
  return certificate;
}
