/** PEM text or bytes, or the path of a PEM file. A string that contains `-----BEGIN` is PEM. */
export type PemSource = string | Uint8Array;

/** A server's identity. */
export interface ServerTlsOptions {
  /** The certificate, followed by its chain. */
  readonly certificate: PemSource;
  readonly privateKey: PemSource;
}

/** What a client trusts. */
export interface ClientTlsOptions {
  /** CA certificates trusted instead of the system's. */
  readonly ca?: PemSource;
  /** The name the certificate must have; the URL's host by default. */
  readonly serverName?: string;
  /** Accepts any certificate. Only for development: it invites a man in the middle. */
  readonly insecure?: boolean;
}
