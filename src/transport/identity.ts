import { createPrivateKey, type KeyObject, type X509Certificate } from "node:crypto";
import {
  CertificateExpiredError,
  CredentialMismatchError,
  CredentialUnreadableError,
  InvalidArgumentError,
} from "../errors.js";
import { loadAddon } from "../native/addon.js";
import { type Pem, parseCertificates, readPem, readSource } from "./pem.js";
import type { PemSource, TlsIdentity } from "./tls.js";

/** A certificate and its key, read and found sound: they belong together, and the certificate is valid now. */
export interface Identity {
  /** The certificate, followed by its chain. */
  readonly certificatePem: string;
  /** Not encrypted. */
  readonly privateKeyPem: string;
}

type GivenIdentity = { readonly [Name in keyof TlsIdentity]: TlsIdentity[Name] | undefined };

/**
 * Reads and checks a certificate and its key, so that a wrong one is explained here and not by a TLS library in the
 * middle of a handshake.
 * @param name the option that has them, for messages: "tls".
 * @returns undefined where none is given.
 * @throws CredentialMissingError, CredentialUnreadableError, CredentialMismatchError, CertificateExpiredError;
 *   InvalidArgumentError where half of it is given, or both forms; AddonUnavailableError for PKCS#12.
 */
export async function loadIdentity(options: GivenIdentity, name: string): Promise<Identity | undefined> {
  const { certificate, privateKey, pkcs12, passphrase } = options;
  const isPem = certificate !== undefined && privateKey !== undefined;
  const hasPem = certificate !== undefined || privateKey !== undefined;
  if (!hasPem && pkcs12 === undefined && passphrase === undefined) return undefined;
  if (pkcs12 !== undefined && !hasPem) return loadPkcs12(pkcs12, passphrase);
  if (isPem && pkcs12 === undefined) return loadPem(certificate, privateKey, passphrase);
  throw new InvalidArgumentError(`${name} takes certificate and privateKey, or pkcs12, whole and not both`);
}

async function loadPem(
  certificate: PemSource,
  privateKey: PemSource,
  passphrase?: string,
): Promise<Identity> {
  const [certificatePem, keyPem] = await Promise.all([
    readPem(certificate, "certificate"),
    readPem(privateKey, "private key"),
  ]);
  const chain = parseCertificates(certificatePem);
  const leaf = chain[0]!;
  const key = parsePrivateKey(keyPem, passphrase);
  if (!leaf.checkPrivateKey(key)) {
    throw new CredentialMismatchError(
      `${keyPem.title} is not the key of ${certificatePem.title}; pass the pair that was made together`,
    );
  }
  checkValidity(leaf, certificatePem.title);
  // Written anew, so that a TLS library reads what was checked: of text around it, other names of blocks, or a byte order
  // mark each has its own idea.
  return {
    certificatePem: chain.join(""),
    privateKeyPem: key.export({ type: "pkcs8", format: "pem" }).toString(),
  };
}

async function loadPkcs12(source: PemSource, passphrase = ""): Promise<Identity> {
  const { bytes, title } = await readSource(source, "PKCS#12");
  const read = loadAddon().readPkcs12(bytes, passphrase);
  if (typeof read === "string") throw new CredentialUnreadableError(`${title} ${pkcs12Advice[read]}`);
  checkValidity(parseCertificates({ text: read.certificatePem, title })[0]!, title);
  return read;
}

const pkcs12Advice = {
  unreadable: "is not PKCS#12, or is damaged",
  wrongPassphrase: "does not open with this passphrase; check tls.passphrase",
  unsupported:
    'is encrypted in a way that is no longer secure; write it anew with "openssl pkcs12 -legacy" and "-export"',
  incomplete: "must hold a certificate and its private key",
} as const;

function parsePrivateKey(pem: Pem, passphrase: string | undefined): KeyObject {
  try {
    return createPrivateKey(passphrase === undefined ? pem.text : { key: pem.text, passphrase });
  } catch (cause) {
    throw new CredentialUnreadableError(`${pem.title} ${keyAdvice(pem, passphrase)}`, { cause });
  }
}

function keyAdvice(pem: Pem, passphrase: string | undefined): string {
  const isEncrypted = /ENCRYPTED/.test(pem.text);
  if (!isEncrypted) return "is not a PEM private key";
  return passphrase === undefined
    ? "is encrypted; pass its passphrase as tls.passphrase"
    : "does not open with this passphrase; check tls.passphrase";
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
