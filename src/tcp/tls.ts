import { constants } from "node:crypto";
import { appendFile } from "node:fs/promises";
import {
  type ConnectionOptions,
  checkServerIdentity,
  createSecureContext,
  type SecureContext,
  type SecureContextOptions,
  type TlsOptions,
} from "node:tls";
import { InvalidArgumentError } from "../errors.js";
import type { ClientCredential, ServerCredential } from "../transport/credential.js";
import type { Identity } from "../transport/identity.js";
import { nodeClientTls } from "../transport/node_tls.js";
import type { CipherSuite } from "../transport/tls.js";

/**
 * What node:tls is told for a server.
 * @throws InvalidArgumentError where clients' certificates are asked for, and it is not said whose are taken.
 */
export function serverTls(credential: ServerCredential, protocols: readonly string[]): TlsOptions {
  const { clientCertificate, clientCaPem } = credential;
  if (clientCertificate !== "none" && clientCaPem === undefined) {
    throw new InvalidArgumentError("tls.clientCertificate needs tls.clientCa, which says whose are taken");
  }
  return {
    ...serverContext(credential, credential),
    ALPNProtocols: [...protocols],
    requestCert: clientCertificate !== "none",
    // Where they are asked for and may be missing, the listener looks.
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

/** What node:tls is told for a client. */
export function clientTls(credential: ClientCredential, protocols: readonly string[]): ConnectionOptions {
  const { serverName, cipherSuites } = credential;
  return {
    ...nodeClientTls(credential),
    ...only(cipherSuites),
    checkServerIdentity: (_host, certificate) => checkServerIdentity(serverName, certificate),
    ALPNProtocols: [...protocols],
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
