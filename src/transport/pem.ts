import { X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import { CredentialMissingError, CredentialUnreadableError } from "../errors.js";
import type { PemSource } from "./tls.js";

/** Bytes that were given or read, and what to call them in an error message. */
export interface Source {
  readonly bytes: Uint8Array;
  readonly title: string;
}

/** PEM text, and what to call it. */
export interface Pem {
  readonly text: string;
  readonly title: string;
}

/** @throws CredentialMissingError, CredentialUnreadableError */
export async function readPem(source: PemSource, what: string): Promise<Pem> {
  if (typeof source === "string" && source.includes("-----BEGIN")) {
    return { text: source, title: `the ${what}` };
  }
  const { bytes, title } = await readSource(source, what);
  return { text: new TextDecoder().decode(bytes), title };
}

/**
 * The bytes themselves, or the file of that path.
 * @throws CredentialMissingError, CredentialUnreadableError
 */
export async function readSource(source: PemSource, what: string): Promise<Source> {
  if (typeof source !== "string") return { bytes: source, title: `the ${what}` };
  const title = `the ${what} file "${source}"`;
  try {
    return { bytes: await readFile(source), title };
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    if (code === "ENOENT" || code === "ENOTDIR") {
      throw new CredentialMissingError(`${title} does not exist; check the path`, { cause });
    }
    const advice = code === "EACCES" ? "let this user read it" : `reading it failed with ${code}`;
    throw new CredentialUnreadableError(`${title} cannot be read; ${advice}`, { cause });
  }
}

/**
 * Every certificate of a PEM text; at least one.
 * @throws CredentialUnreadableError
 */
export function parseCertificates(pem: Pem): X509Certificate[] {
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

/** The certificates of a PEM text and nothing else: what a TLS library is given. */
export function certificatesOnly(pem: Pem): string {
  return parseCertificates(pem).join("");
}
