import { constants } from "node:crypto";
import { createSecureContext, type SecureContext, type Server, type TlsOptions } from "node:tls";
import { InvalidArgumentError } from "../errors.js";
import { loadServerCredential, type ServerCredential } from "./credential.js";
import type { Identity } from "./identity.js";
import { keyLogger, only } from "./node_tls.js";
import type { ServerTlsOptions } from "./tls.js";

/**
 * The TLS of a server of node:tls, whose certificates can be exchanged while it serves. Where certificates are asked for
 * and may be missing, the listener looks at each (`isRefused`).
 */
export class ServerTls {
  /** What the server is made with. */
  readonly options: TlsOptions;
  #credential: ServerCredential;
  #names: ReadonlyMap<string, SecureContext>;
  #server: Server | undefined = undefined;

  /** @throws InvalidArgumentError where clients' certificates are asked for, and it is not said whose are taken. */
  constructor(credential: ServerCredential) {
    this.#credential = check(credential);
    this.#names = namedContexts(credential);
    const { clientCertificate } = credential;
    this.options = {
      ...contextOptions(credential, credential),
      requestCert: clientCertificate !== "none",
      rejectUnauthorized: clientCertificate === "require",
      SNICallback: (asked, answer) => answer(null, this.#contextOf(asked)),
    };
  }

  /** The server that was made with these options. */
  serve(server: Server): void {
    this.#server = server;
    this.#logKeys();
  }

  /**
   * From now on handshakes use these; open connections keep theirs.
   * @throws InvalidArgumentError where `clientCertificate` is another: Node fixes that when a server is made; what
   *   `loadServerCredential` throws. Then all is as it was.
   */
  async update(tls: ServerTlsOptions): Promise<void> {
    const credential = check(await loadServerCredential(tls));
    if (credential.clientCertificate !== this.#credential.clientCertificate) {
      throw new InvalidArgumentError("tls.clientCertificate must be as it was; listen again to change it");
    }
    const names = namedContexts(credential);
    this.#server?.setSecureContext(contextOptions(credential, credential));
    this.#names = names;
    this.#credential = credential;
    this.#logKeys();
  }

  #contextOf(asked: string): SecureContext | undefined {
    const name = asked.toLowerCase();
    return this.#names.get(name) ?? this.#names.get(`*${name.slice(name.indexOf("."))}`);
  }

  #logKeys(): void {
    const { keyLogFile } = this.#credential;
    this.#server?.removeAllListeners("keylog");
    if (keyLogFile !== undefined) this.#server?.on("keylog", keyLogger(keyLogFile));
  }
}

function check(credential: ServerCredential): ServerCredential {
  const { clientCertificate, clientCaPem } = credential;
  if (clientCertificate === "none" || clientCaPem !== undefined) return credential;
  throw new InvalidArgumentError("tls.clientCertificate needs tls.clientCa, which says whose are taken");
}

function contextOptions(credential: ServerCredential, identity: Identity) {
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

function namedContexts(credential: ServerCredential): ReadonlyMap<string, SecureContext> {
  return new Map(
    Array.from(credential.serverNames, ([name, identity]) => [
      name,
      createSecureContext(contextOptions(credential, identity)),
    ]),
  );
}
