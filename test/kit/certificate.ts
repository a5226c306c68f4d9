import { webcrypto } from "node:crypto";
import { isIP } from "node:net";
import * as x509 from "@peculiar/x509";

const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
const day = 24 * 60 * 60 * 1000;

/** A certificate and its key, as PEM. */
export interface Identity {
  readonly certificate: string;
  readonly privateKey: string;
}

export interface LeafOptions {
  /** DNS names and IP addresses; localhost, 127.0.0.1 and ::1 by default. */
  readonly names?: readonly string[];
  /** Days from now; negative lies in the past. */
  readonly validFromDays?: number;
  readonly validToDays?: number;
}

/** A certificate authority of P-256 keys, made anew for each test run. */
export class Authority {
  /** The CA's certificate as PEM: what a client trusts. */
  readonly certificate: string;
  readonly #root: x509.X509Certificate;
  readonly #keys: webcrypto.CryptoKeyPair;

  private constructor(root: x509.X509Certificate, keys: webcrypto.CryptoKeyPair) {
    this.certificate = root.toString("pem");
    this.#root = root;
    this.#keys = keys;
  }

  static async make(name = "millrace test CA"): Promise<Authority> {
    const keys = (await webcrypto.subtle.generateKey(algorithm, true, [
      "sign",
      "verify",
    ])) as webcrypto.CryptoKeyPair;
    const root = await x509.X509CertificateGenerator.createSelfSigned({
      name: `CN=${name}`,
      keys,
      signingAlgorithm: algorithm,
      notBefore: new Date(Date.now() - 60 * day),
      notAfter: new Date(Date.now() + 60 * day),
      extensions: [
        new x509.BasicConstraintsExtension(true, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      ],
    });
    return new Authority(root, keys);
  }

  /** A server certificate signed by this authority. */
  async issue(options: LeafOptions = {}): Promise<Identity> {
    const { names = ["localhost", "127.0.0.1", "::1"], validFromDays = -1, validToDays = 13 } = options;
    const keys = (await webcrypto.subtle.generateKey(algorithm, true, [
      "sign",
      "verify",
    ])) as webcrypto.CryptoKeyPair;
    const certificate = await x509.X509CertificateGenerator.create({
      subject: `CN=${names[0]}`,
      issuer: this.#root.subject,
      publicKey: keys.publicKey,
      signingKey: this.#keys.privateKey,
      signingAlgorithm: algorithm,
      notBefore: new Date(Date.now() + validFromDays * day),
      notAfter: new Date(Date.now() + validToDays * day),
      extensions: [
        new x509.BasicConstraintsExtension(false),
        new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
        new x509.SubjectAlternativeNameExtension(
          names.map((name) => ({ type: isIP(name) === 0 ? "dns" : "ip", value: name }) as const),
        ),
      ],
    });
    const pkcs8 = await webcrypto.subtle.exportKey("pkcs8", keys.privateKey);
    return {
      certificate: certificate.toString("pem"),
      privateKey: x509.PemConverter.encode(pkcs8, "PRIVATE KEY"),
    };
  }

  /** A server certificate that was valid until yesterday. */
  issueExpired(): Promise<Identity> {
    return this.issue({ validFromDays: -13, validToDays: -1 });
  }

  /** A server certificate for a name that no test connects to. */
  issueForOtherName(): Promise<Identity> {
    return this.issue({ names: ["other.invalid"] });
  }
}
