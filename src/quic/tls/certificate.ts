import { X509Certificate } from "node:crypto";

/**
 * The certificates of a peer, its own first, each followed by the one that signed it.
 * @param encoded {u32 bytes, DER} for each, as native/quic/peer_certificate.h has them.
 */
export function decodeCertificates(encoded: Uint8Array): X509Certificate[] {
  const view = new DataView(encoded.buffer, encoded.byteOffset, encoded.byteLength);
  const certificates: X509Certificate[] = [];
  for (let at = 0; at < encoded.length; ) {
    const bytes = view.getUint32(at, true);
    certificates.push(new X509Certificate(encoded.slice(at + 4, at + 4 + bytes)));
    at += 4 + bytes;
  }
  return certificates;
}
