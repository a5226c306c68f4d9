import { readFile } from "node:fs/promises";
import * as tls from "node:tls";

let systemCa: Promise<string> | undefined;

/** The CAs that Node trusts, as PEM: its own list or the system's, as Node was told, and NODE_EXTRA_CA_CERTS. */
export function systemCaPem(): Promise<string> {
  systemCa ??= readSystemCa();
  return systemCa;
}

async function readSystemCa(): Promise<string> {
  // Node 22.15 and later know by themselves.
  const { getCACertificates } = tls as { getCACertificates?: (type: "default") => string[] };
  if (getCACertificates !== undefined) return getCACertificates("default").join("\n");
  const extra = process.env.NODE_EXTRA_CA_CERTS;
  // Node warns of a file that it cannot read, and goes on; so nothing is left to say here.
  const more = extra === undefined ? "" : await readFile(extra, "utf8").catch(() => "");
  return [...tls.rootCertificates, more].join("\n");
}
