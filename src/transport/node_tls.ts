import { constants, type X509Certificate } from "node:crypto";
import { appendFile } from "node:fs/promises";
import { isIP, type Socket } from "node:net";
import {
  type ConnectionOptions,
  createSecureContext,
  type SecureContext,
  type SecureContextOptions,
  TLSSocket,
  type TlsOptions,
} from "node:tls";
import { InvalidArgumentError } from "../errors.js";
import type { ClientCredential, ServerCredential } from "./credential.js";
import type { Identity } from "./identity.js";
import type { CipherSuite } from "./tls.js";

/**
 * What node:tls is told for a server. Where certificates are asked for and may be missing, the listener looks at each
 * ({@link isRefused}).
 * @throws InvalidArgumentError where clients' certificates are asked for, and it is not said whose are taken.
 */
export function nodeServerTls(credential: ServerCredential): TlsOptions {
  const { clientCertificate, clientCaPem } = credential;
  if (clientCertificate !== "none" && clientCaPem === undefined) {
    throw new InvalidArgumentError("tls.clientCertificate needs tls.clientCa, which says whose are taken");
  }
  return {
    ...serverContext(credential, credential),
    requestCert: clientCertificate !== "none",
    rejectUnauthorized: clientCertificate === "require",
    ...serverNames(credential),
  };
}

function serverContext(credential: ServerCredential, identity: Identity): SecureContextOptions {
  const { clientCertificate, clientCaPem, cipherSuites } = credential;
  return {
    cert: identity.certificatePem,
    key: identity.privateKeyPem,
    ...(clientCaPem !== undefined && { ca: clientCaPem }),
    ...only(cipherSuites),
    // Without tickets every client shows its certificate again.
    ...(clientCertificate !== "none" && { secureOptions: constants.SSL_OP_NO_TICKET }),
  };
}

function serverNames(credential: ServerCredential): TlsOptions {
  if (credential.serverNames.size === 0) return {};
  const contexts = new Map<string, SecureContext>();
  for (const [name, identity] of credential.serverNames) {
    contexts.set(name, createSecureContext(serverContext(credential, identity)));
  }
  return {
    SNICallback(asked, answer) {
      const name = asked.toLowerCase();
      const context = contexts.get(name) ?? contexts.get(`*${name.slice(name.indexOf("."))}`);
      answer(null, context);
    },
  };
}

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
function only(cipherSuites: readonly CipherSuite[] | undefined): SecureContextOptions {
  return cipherSuites === undefined ? {} : { ciphers: cipherSuites.join(":"), minVersion: "TLSv1.3" };
}

/** Takes the secrets of connections, as node:tls tells them. */
export function keyLogger(file: string): (line: Buffer) => void {
  return (line) => void appendFile(file, line, { mode: 0o600 }).catch((error) => process.emitWarning(error));
}

/** Whether a client has shown a certificate that no CA of ours vouches for; where none has to be, none is well. */
export function isRefused(socket: TLSSocket): boolean {
  return !socket.authorized && socket.getPeerX509Certificate() !== undefined;
}

/** The certificate that the other end of a socket has shown; it is gone with the socket. */
export function peerCertificate(socket: Socket): X509Certificate | undefined {
  return socket instanceof TLSSocket ? socket.getPeerX509Certificate() : undefined;
}
