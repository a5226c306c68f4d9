import { createHash } from "node:crypto";
import { resolve } from "node:path";
import type { ServerCredential } from "../../transport/credential.js";
import { parseCertificates } from "../../transport/pem.js";

/**
 * The same for credentials that serve the same, in whatever form they were given, so that threads can tell whether they
 * may share a listener. A private key is not part of it: its certificate says which one it is.
 */
export function fingerprint(credential: ServerCredential): string {
  const { clientCertificate, clientCaPem, serverNames, cipherSuites, keyLogFile } = credential;
  const names = [...serverNames].map(([name, identity]) => [name, certificates(identity.certificatePem)]);
  const meaning = [
    certificates(credential.certificatePem),
    names.sort(),
    clientCertificate,
    clientCaPem === undefined ? null : certificates(clientCaPem).sort(),
    cipherSuites === undefined ? null : [...new Set(cipherSuites)].sort(),
    keyLogFile === undefined ? null : resolve(keyLogFile),
  ];
  return createHash("sha256").update(JSON.stringify(meaning)).digest("base64");
}

function certificates(pem: string): string[] {
  return parseCertificates({ text: pem, title: "the certificate" }).map((each) => each.fingerprint256);
}
