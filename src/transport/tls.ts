import { isUint8Array } from "node:util/types";
import {
  flag,
  isListOf,
  isRecord,
  listOf,
  type Option,
  object,
  oneOf,
  option,
  optional,
} from "../options/schema.js";

/**
 * PEM text or bytes, or the path of a PEM file: a regular file of at most 1 MiB. A string that contains `-----BEGIN` is
 * PEM.
 */
export type PemSource = string | Uint8Array;

/** A certificate with its private key: as PEM, in two parts, or as PKCS#12, in one. */
export interface TlsIdentity {
  /** The certificate, followed by the intermediate ones of its chain. */
  readonly certificate?: PemSource | undefined;
  readonly privateKey?: PemSource | undefined;
  /** A PKCS#12 file (RFC 7292, `.p12` or `.pfx`): its bytes or its path. Needs the native addon. */
  readonly pkcs12?: PemSource | undefined;
  /** Decrypts `privateKey` or `pkcs12`. */
  readonly passphrase?: string | undefined;
}

/** Ciphers of TLS 1.3 (RFC 8446 appendix B.4). */
export type CipherSuite = (typeof cipherSuites)[number];

const cipherSuites = [
  "TLS_AES_256_GCM_SHA384",
  "TLS_CHACHA20_POLY1305_SHA256",
  "TLS_AES_128_GCM_SHA256",
] as const;

/** What both sides may set. */
export interface TlsOptions extends TlsIdentity {
  /** Uses these only; which of them is a server's choice, in the order of the type above. */
  readonly cipherSuites?: readonly CipherSuite[] | undefined;
  /**
   * Appends the secrets of each connection to this regular file, in the format that Wireshark reads: whoever has it can read
   * the connections. `true` takes the file that the environment variable SSLKEYLOGFILE names, which is otherwise not
   * looked at.
   */
  readonly keyLogFile?: string | true | undefined;
}

/** A server's identity, and what it asks of clients. */
export interface ServerTlsOptions extends TlsOptions {
  /**
   * Whether clients are asked for a certificate: `none`, the default; `request`, and one without is let in; `require`.
   * One that comes must lead to `clientCa`. Sessions of such a server are not resumed, so it is asked for every time.
   */
  readonly clientCertificate?: "none" | "request" | "require" | undefined;
  /**
   * CA certificates that vouch for clients'. Without it every certificate is taken, also a self-signed one, and
   * `behaviour.authenticate` decides.
   */
  readonly clientCa?: PemSource | undefined;
  /**
   * Identities for clients that ask for another name (SNI, RFC 6066 section 3): by name, or by `*.` and a domain, which
   * stands for one label. Who asks for no name, or for none of these, gets the identity above.
   */
  readonly serverNames?: Readonly<Record<string, TlsIdentity>> | undefined;
}

/** What a client trusts, and who it is. */
export interface ClientTlsOptions extends TlsOptions {
  /** CA certificates trusted instead of those that Node trusts (`NODE_EXTRA_CA_CERTS` among them). */
  readonly ca?: PemSource | undefined;
  /** The name the certificate must have; the URL's host by default. */
  readonly serverName?: string | undefined;
  /**
   * What the server's own key must be one of, whoever vouches for its certificate: for each `sha256/` and the base64 of the
   * SHA-256 of the key (its SubjectPublicKeyInfo, as in RFC 7469). Name a spare one, too, for the day of its renewal.
   */
  readonly pins?: readonly string[] | undefined;
  /**
   * Accepts any certificate; with `pins`, any that has one of those keys. Without, it is for development alone, and a
   * process warning says so: whoever is in between can read and change everything.
   */
  readonly insecure?: boolean | undefined;
}

const pinPattern = /^sha256\/[A-Za-z0-9+/]{43}=$/;

/** OpenSSL's limit, and a host name's (RFC 1035 section 2.3.4). */
const MAX_NAME_BYTES = 255;

const pem: Option<PemSource> = option(
  "PEM, as a string or bytes, or the path of a PEM file",
  (value) => (typeof value === "string" && value !== "") || isUint8Array(value),
);

const text: Option<string> = option(
  "a string without NUL",
  (value) => typeof value === "string" && !value.includes("\0"),
);

const identity = {
  certificate: optional(pem),
  privateKey: optional(pem),
  pkcs12: optional(
    option<PemSource>(
      "the bytes or the path of a PKCS#12 file",
      (value) => (typeof value === "string" && value !== "") || isUint8Array(value),
    ),
  ),
  passphrase: optional(text),
};

const shared = {
  ...identity,
  cipherSuites: optional(
    option<readonly CipherSuite[]>(
      `a list of at least one of ${cipherSuites.join(", ")}`,
      (value) => isListOf(value, (name) => cipherSuites.includes(name as CipherSuite)) && value.length > 0,
    ),
  ),
  keyLogFile: optional(
    option<string | true>(
      "a path, or true for the one that SSLKEYLOGFILE names",
      (value) => value === true || (typeof value === "string" && value !== "" && !value.includes("\0")),
    ),
  ),
};

/** The schema of an identity of {@link ServerTlsOptions.serverNames}. */
export const identityOptions = object(identity satisfies Record<keyof TlsIdentity, unknown>);

/** The schema of {@link ServerTlsOptions}. */
export const serverTlsOptions = object({
  ...shared,
  clientCertificate: optional(oneOf("none", "request", "require")),
  clientCa: optional(pem),
  serverNames: optional(
    option<Readonly<Record<string, TlsIdentity>>>("an object of identities by server name", isRecord),
  ),
} satisfies Record<keyof ServerTlsOptions, unknown>);

/** The schema of {@link ClientTlsOptions}. */
export const clientTlsOptions = object({
  ...shared,
  ca: optional(pem),
  serverName: optional(
    option<string>(
      "a host name of at most 255 bytes",
      (value) =>
        typeof value === "string" &&
        value !== "" &&
        !value.includes("\0") &&
        Buffer.byteLength(value) <= MAX_NAME_BYTES,
    ),
  ),
  pins: optional(
    listOf<string>(
      'a list of at least one "sha256/" and the base64 of a SHA-256',
      1,
      (value) => typeof value === "string" && pinPattern.test(value),
    ),
  ),
  insecure: optional(flag),
} satisfies Record<keyof ClientTlsOptions, unknown>);
