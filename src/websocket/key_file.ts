import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ServerCredential } from "../transport/credential.js";

/** Where a credential lies, while {@link withCredentialFiles} runs. */
export interface CredentialFiles {
  readonly certificate: string;
  readonly privateKey: string;
}

/**
 * Lends a credential to a library that reads it from files only: they lie in a directory that only this user
 * can enter, and are gone when `use` has returned.
 * @see docs/decisions/websocket-key-on-disk.md
 */
export async function withCredentialFiles<T>(
  credential: ServerCredential,
  use: (files: CredentialFiles) => T,
): Promise<T> {
  const directory = await mkdtemp(join(tmpdir(), `millrace-key-${process.pid}-`)); // mode 0700
  try {
    const files = { certificate: join(directory, "certificate"), privateKey: join(directory, "key") };
    const onlyOwner = { mode: 0o600, flag: "wx" };
    await writeFile(files.certificate, credential.certificatePem, onlyOwner);
    await writeFile(files.privateKey, credential.privateKeyPem, onlyOwner);
    return use(files);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}
