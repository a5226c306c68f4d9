import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import {
  CertificateExpiredError,
  CredentialMismatchError,
  CredentialMissingError,
  CredentialUnreadableError,
  InvalidArgumentError,
} from "../errors.js";
import type { ClientTlsOptions, PemSource, ServerTlsOptions } from "./tls.js";

/** A server's identity, read and found sound: the key is the certificate's, and the certificate is valid now. */
export interface ServerCredential {
  /** The certificate, followed by its chain. */
  readonly certificatePem: string;
  readonly privateKeyPem: string;
}

/** What a client trusts, read and found to be certificates. */
export interface ClientTrust {
  /** Undefined where the system's CAs are trusted. */
  readonly caPem: string | undefined;
  /** The name the certificate must have. */
  readonly serverName: string;
  readonly insecure: boolean;
}

/** PEM text, and what to call it in an error message. */
interface Pem {
  readonly text: string;
  readonly title: string;
}

/**
 * Reads and checks a server's certificate and key, so that a wrong one is explained here and not by a TLS
 * library in the middle of a handshake.
 * @throws CredentialMissingError, CredentialUnreadableError, CredentialMismatchError, CertificateExpiredError
 */
export async function loadServerCredential(tls: ServerTlsOptions): Promise<ServerCredential> {
  for (const name of ["certificate", "privateKey"] as const) {
    const source: unknown = tls?.[name];
    if (typeof source !== "string" && !(source instanceof Uint8Array)) {
      throw new InvalidArgumentError(
        `tls.${name} must be PEM, as a string or bytes, or the path of a PEM file`,
      );
    }
  }
  const [certificate, privateKey] = await Promise.all([
    readPem(tls.certificate, "certificate"),
    readPem(tls.privateKey, "private key"),
  ]);
  const leaf = parseCertificates(certificate)[0]!;
  const key = parsePrivateKey(privateKey);
  if (!leaf.checkPrivateKey(key)) {
    throw new CredentialMismatchError(
      `${privateKey.title} is not the key of ${certificate.title}; pass the pair that was made together`,
    );
  }
  checkValidity(leaf, certificate.title);
  return { certificatePem: certificate.text, privateKeyPem: privateKey.text };
}

/**
 * Reads and checks what a client trusts.
 * @param host the name or address that is connected to: what the certificate must be for, by default.
 * @throws CredentialMissingError, CredentialUnreadableError
 */
export async function loadClientTrust(tls: ClientTlsOptions | undefined, host: string): Promise<ClientTrust> {
  checkClientTls(tls ?? {});
  let caPem: string | undefined;
  if (tls?.ca !== undefined) {
    const ca = await readPem(tls.ca, "CA certificate");
    parseCertificates(ca);
    caPem = ca.text;
  }
  return { caPem, serverName: tls?.serverName ?? host, insecure: tls?.insecure ?? false };
}

const clientTlsNames = new Set(["ca", "serverName", "insecure"]);

/** A wrong type must not be taken for a wish to trust everybody. */
function checkClientTls(tls: ClientTlsOptions): void {
  const unknown = Object.keys(tls).find((name) => !clientTlsNames.has(name));
  if (unknown !== undefined) {
    throw new InvalidArgumentError(
      `tls.${unknown} is not known here; there are ${[...clientTlsNames].join(", ")}`,
    );
  }
  const { serverName, insecure } = tls;
  if (insecure !== undefined && typeof insecure !== "boolean") {
    throw new InvalidArgumentError(`tls.insecure must be true or false, and not ${String(insecure)}`);
  }
  const nameIsFit = serverName === undefined || (typeof serverName === "string" && !/\0/.test(serverName));
  if (!nameIsFit) throw new InvalidArgumentError("tls.serverName must be a host name");
}

async function readPem(source: PemSource, what: string): Promise<Pem> {
  if (typeof source !== "string") return { text: new TextDecoder().decode(source), title: `the ${what}` };
  if (source.includes("-----BEGIN")) return { text: source, title: `the ${what}` };
  const title = `the ${what} file "${source}"`;
  try {
    return { text: await readFile(source, "utf8"), title };
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    if (code === "ENOENT" || code === "ENOTDIR") {
      throw new CredentialMissingError(`${title} does not exist; check the path`, { cause });
    }
    const advice = code === "EACCES" ? "let this user read it" : `reading it failed with ${code}`;
    throw new CredentialUnreadableError(`${title} cannot be read; ${advice}`, { cause });
  }
}

/** Every certificate of a PEM text; at least one. */
function parseCertificates(pem: Pem): X509Certificate[] {
  const blocks = pem.text.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g);
  if (blocks === null) {
    throw new CredentialUnreadableError(
      `${pem.title} holds no PEM certificate; it must contain "-----BEGIN CERTIFICATE-----"`,
    );
  }
  try {
    return blocks.map((block) => new X509Certificate(block));
  } catch (cause) {
    throw new CredentialUnreadableError(`${pem.title} holds a certificate that cannot be parsed`, { cause });
  }
}

function parsePrivateKey(pem: Pem): KeyObject {
  try {
    return createPrivateKey(pem.text);
  } catch (cause) {
    const encrypted = (cause as NodeJS.ErrnoException).code === "ERR_MISSING_PASSPHRASE";
    const advice = encrypted
      ? 'is encrypted; decrypt it first, for instance with "openssl pkey"'
      : "is not an unencrypted PEM private key";
    throw new CredentialUnreadableError(`${pem.title} ${advice}`, { cause });
  }
}

function checkValidity(certificate: X509Certificate, title: string): void {
  const now = Date.now();
  if (now > Date.parse(certificate.validTo)) {
    throw new CertificateExpiredError(`${title} expired on ${certificate.validTo}; renew it`);
  }
  if (now < Date.parse(certificate.validFrom)) {
    throw new CertificateExpiredError(
      `${title} is valid from ${certificate.validFrom} only; wait, or set this machine's clock`,
    );
  }
}
