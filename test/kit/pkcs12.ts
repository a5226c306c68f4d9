import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Identity } from "millrace/testing";
import { temporaryFolder } from "./folder.js";

/** Packs identities as PKCS#12 with the openssl command, an implementation that is not ours. */
export class Pkcs12Packer {
  readonly #folder = temporaryFolder();
  #count = 0;

  /** Returns the path of the file. */
  pack(identity: Identity, passphrase: string, ...more: string[]): string {
    this.#count += 1;
    const [certificates, key, packed] = ["pem", "key", "p12"].map((end) =>
      join(this.#folder, `${this.#count}.${end}`),
    ) as [string, string, string];
    writeFileSync(certificates, identity.certificate);
    writeFileSync(key, identity.privateKey);
    execFileSync(
      "openssl",
      [
        "pkcs12",
        "-export",
        "-in",
        certificates,
        "-inkey",
        key,
        "-out",
        packed,
        "-passout",
        `pass:${passphrase}`,
        ...more,
      ],
      { stdio: "pipe" },
    );
    return packed;
  }

  packBytes(identity: Identity, passphrase: string): Uint8Array {
    return readFileSync(this.pack(identity, passphrase));
  }
}
