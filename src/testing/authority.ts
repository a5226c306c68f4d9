import { webcrypto } from "node:crypto";
import { isIP } from "node:net";
import * as x509 from "@peculiar/x509";
import { readOptions } from "../options/read.js";
import { listOf, number, object, option, withDefault } from "../options/schema.js";

const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
const dayMs = 24 * 60 * 60 * 1000;

/** A certificate with its chain, and its key: PEM, as the `tls` options of every transport take it. */
export interface Identity {
  /** The leaf, followed by the intermediate authorities that lead to the root. */
  readonly certificate: string;
  /** PKCS#8, not encrypted. */
  readonly privateKey: string;
}

/** How long an issued certificate is valid. */
export interface Validity {
  /** Days from now; negative lies in the past. -1 by default. */
  readonly validFromDays?: number | undefined;
  /** Days from now; 13 by default, the most that browsers take from a certificate they know by its hash. */
  readonly validToDays?: number | undefined;
}

/** What a server's certificate says. */
export interface ServerIdentityOptions extends Validity {
  /** DNS names and IP addresses; localhost, 127.0.0.1 and ::1 by default. */
  readonly names?: readonly string[] | undefined;
}

/** What a client's certificate says. */
export interface ClientIdentityOptions extends Validity {
  /** The subject's common name. */
  readonly name: string;
}

const isText = (value: unknown) => typeof value === "string";

const days = number(-36_500, 36_500);
const validity = { validFromDays: withDefault(days, -1), validToDays: withDefault(days, 13) };

const serverSchema = object({
  ...validity,
  names: withDefault(listOf<string>("a list of names and addresses", 0, isText), [
    "localhost",
    "127.0.0.1",
    "::1",
  ]),
} satisfies Record<keyof ServerIdentityOptions, unknown>);

const clientSchema = object({
  ...validity,
  name: option<string>("a string", isText),
} satisfies Record<keyof ClientIdentityOptions, unknown>);

/**
 * A certificate authority for tests and examples: P-256 keys that exist in this process only.
 * Never trust one outside of them.
 */
export class Authority {
  /** The authority's own certificate as PEM: what a peer trusts. */
  readonly certificate: string;
  readonly #own: x509.X509Certificate;
  readonly #keys: webcrypto.CryptoKeyPair;
  /** What a peer that has only the root needs besides the leaf. */
  readonly #chain: string;

  private constructor(own: x509.X509Certificate, keys: webcrypto.CryptoKeyPair, chain: string) {
    this.certificate = own.toString("pem");
    this.#own = own;
    this.#keys = keys;
    this.#chain = chain;
  }

  /** Makes a root that signs itself. */
  static async make(name = "millrace test authority"): Promise<Authority> {
    const keys = await newKeys();
    const root = await x509.X509CertificateGenerator.createSelfSigned({
      name: `CN=${name}`,
      keys,
      signingAlgorithm: algorithm,
      notBefore: daysFromNow(-60),
      notAfter: daysFromNow(60),
      extensions: authorityExtensions(),
    });
    return new Authority(root, keys, "");
  }

  /** Makes an authority that this one vouches for; what it issues carries the chain to this one. */
  async intermediate(name = "millrace test intermediate"): Promise<Authority> {
    const keys = await newKeys();
    const own = await this.#sign(name, keys, {}, authorityExtensions());
    return new Authority(own, keys, `\n${own.toString("pem")}${this.#chain}`);
  }

  /** A server's certificate and key. @throws InvalidArgumentError */
  async issue(options: ServerIdentityOptions = {}): Promise<Identity> {
    const { names, ...validity } = readOptions(serverSchema, options);
    return this.#issue(names[0] ?? "", validity, [
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      new x509.SubjectAlternativeNameExtension(
        names.map((name) => ({ type: isIP(name) === 0 ? "dns" : "ip", value: name }) as const),
      ),
    ]);
  }

  /** A client's certificate and key, for mutual TLS. @throws InvalidArgumentError */
  async issueClient(options: ClientIdentityOptions): Promise<Identity> {
    const { name, ...validity } = readOptions(clientSchema, options);
    return this.#issue(name, validity, [
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.clientAuth]),
    ]);
  }

  async #issue(commonName: string, validity: Validity, extensions: x509.Extension[]): Promise<Identity> {
    const keys = await newKeys();
    const leaf = await this.#sign(commonName, keys, validity, [
      new x509.BasicConstraintsExtension(false),
      ...extensions,
    ]);
    const pkcs8 = await webcrypto.subtle.exportKey("pkcs8", keys.privateKey);
    return {
      certificate: `${leaf.toString("pem")}${this.#chain}`,
      privateKey: x509.PemConverter.encode(pkcs8, "PRIVATE KEY"),
    };
  }

  #sign(
    commonName: string,
    keys: webcrypto.CryptoKeyPair,
    { validFromDays = -1, validToDays = 13 }: Validity,
    extensions: x509.Extension[],
  ): Promise<x509.X509Certificate> {
    return x509.X509CertificateGenerator.create({
      subject: `CN=${commonName}`,
      issuer: this.#own.subject,
      publicKey: keys.publicKey,
      signingKey: this.#keys.privateKey,
      signingAlgorithm: algorithm,
      notBefore: daysFromNow(validFromDays),
      notAfter: daysFromNow(validToDays),
      extensions,
    });
  }
}

async function newKeys(): Promise<webcrypto.CryptoKeyPair> {
  return (await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"])) as webcrypto.CryptoKeyPair;
}

function authorityExtensions(): x509.Extension[] {
  return [
    new x509.BasicConstraintsExtension(true, undefined, true),
    new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
  ];
}

function daysFromNow(days: number): Date {
  return new Date(Date.now() + days * dayMs);
}
