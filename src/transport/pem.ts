import { X509Certificate } from "node:crypto";
import { constants } from "node:fs";
import { CredentialMissingError, CredentialUnreadableError } from "../errors.js";
import { openRegularFile, readAtMost } from "./regular_file.js";
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

/** Larger than any list of authorities that operating systems have. */
const MAX_FILE_BYTES = 1024 * 1024;

/** @throws CredentialMissingError, CredentialUnreadableError */
export async function readPem(source: PemSource, what: string): Promise<Pem> {
  if (typeof source === "string" && source.includes("-----BEGIN")) {
    return { text: source, title: `the ${what}` };
  }
  const { bytes, title } = await readSource(source, what);
  return { text: new TextDecoder().decode(bytes), title };
}

/**
 * The bytes themselves, or the file of that path: a regular one of at most 1 MiB.
 * @throws CredentialMissingError, CredentialUnreadableError
 */
export async function readSource(source: PemSource, what: string): Promise<Source> {
  if (typeof source !== "string") return { bytes: source, title: `the ${what}` };
  const title = `the ${what} file "${source}"`;
  const bytes = await readCredentialFile(source, title);
  if (bytes !== undefined) return { bytes, title };
  throw new CredentialUnreadableError(
    `${title} is no regular file, or larger than ${MAX_FILE_BYTES} bytes; pass its contents in place of its path`,
  );
}

/** Undefined where it is no regular file, or too large. */
async function readCredentialFile(path: string, title: string): Promise<Uint8Array | undefined> {
  try {
    const file = await openRegularFile(path, constants.O_RDONLY);
    if (file === undefined) return undefined;
    return await readAtMost(file, MAX_FILE_BYTES).finally(() => file.close());
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
