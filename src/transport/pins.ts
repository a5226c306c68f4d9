import { createHash, type X509Certificate } from "node:crypto";
import { CertificateUntrustedError } from "../errors.js";

/** Of a certificate's public key. @see RFC 7469 section 2.4 */
function pinOf(certificate: X509Certificate): string | undefined {
  try {
    const key = certificate.publicKey.export({ type: "spki", format: "der" });
    return `sha256/${createHash("sha256").update(key).digest("base64")}`;
  } catch {
    return undefined; // a key of a kind that nobody here knows
  }
}

/**
 * Why a server is not believed that has proved to have some certificate.
 * @param pins of which its key must be one; undefined where any will do.
 * @returns undefined where it is.
 */
export function pinError(
  pins: readonly string[] | undefined,
  certificate: X509Certificate | undefined,
  where: string,
): CertificateUntrustedError | undefined {
  if (pins === undefined) return undefined;
  const pin = certificate && pinOf(certificate);
  if (pin !== undefined && pins.includes(pin)) return undefined;
  const shown = pin === undefined ? "shows no key that can be pinned" : `has the key ${pin}`;
  return new CertificateUntrustedError(
    `${where} ${shown}, which is none of tls.pins; somebody is in between, or the server has another key by now`,
  );
}
