import { createHash, randomBytes, webcrypto, X509Certificate } from "node:crypto";
import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";

const dayMs = 24 * 60 * 60 * 1000;
/** Browsers accept a certificate by its hash (`serverCertificateHashes`) only when it lives 14 days at most. */
const lifetimeMs = 13 * dayMs;
/** A server that starts now should not outlive its certificate within the day. */
const renewBeforeMs = 2 * dayMs;
/** A spent pair takes two; more only where other processes set ours aside in the same moment. */
const maxAttempts = 20;
const names = ["localhost"];
const addresses = ["127.0.0.1", "::1"];

/** The self-signed certificate that servers on this machine use while nobody gave them another. */
export interface DevelopmentCertificate {
  readonly certificatePath: string;
  readonly privateKeyPath: string;
  /** SHA-256 of the certificate's DER, as lower-case hex. */
  readonly sha256: string;
  readonly expires: Date;
  /** False where it was found in the cache. */
  readonly created: boolean;
}

export interface DevelopmentCertificateOptions {
  /** The user's cache folder for millrace by default. */
  readonly directory?: string;
  readonly now?: Date;
}

/** Where this user's development certificate is kept. */
export function developmentCacheDirectory(env: NodeJS.ProcessEnv = process.env): string {
  if (env.XDG_CACHE_HOME) return join(env.XDG_CACHE_HOME, "millrace");
  if (process.platform === "win32" && env.LOCALAPPDATA) return join(env.LOCALAPPDATA, "millrace", "Cache");
  if (process.platform === "darwin") return join(homedir(), "Library", "Caches", "millrace");
  return join(homedir(), ".cache", "millrace");
}

/** The cached development certificate, or undefined where there is none that is still good. */
export async function findDevelopmentCertificate(
  options: DevelopmentCertificateOptions = {},
): Promise<DevelopmentCertificate | undefined> {
  const directory = pairDirectory(options);
  const certificatePath = join(directory, "certificate.pem");
  const privateKeyPath = join(directory, "key.pem");
  let certificate: X509Certificate;
  try {
    certificate = new X509Certificate(await readFile(certificatePath));
    await readFile(privateKeyPath);
  } catch {
    return undefined;
  }
  const now = (options.now ?? new Date()).getTime();
  const expires = new Date(certificate.validTo);
  if (new Date(certificate.validFrom).getTime() > now) return undefined;
  if (expires.getTime() - now < renewBeforeMs) return undefined;
  return { certificatePath, privateKeyPath, sha256: fingerprint(certificate.raw), expires, created: false };
}

/** The cached development certificate, made anew where there is none or it is about to expire. */
export async function developmentCertificate(
  options: DevelopmentCertificateOptions = {},
): Promise<DevelopmentCertificate> {
  const cached = await findDevelopmentCertificate(options);
  if (cached) return cached;
  const pair = await makePair(options.now ?? new Date());
  for (let attempt = 0; attempt < maxAttempts; attempt += 1) {
    const kept = await keepPair(pairDirectory(options), pair);
    const found = await findDevelopmentCertificate(options);
    if (found) return { ...found, created: kept };
    // What is there is spent, or another process is about to put its own there.
    await setAside(pairDirectory(options));
  }
  throw new Error(`the development certificate could not be kept in ${pairDirectory(options)}`);
}

/** SHA-256 as people compare it: `AB:CD:…`. */
export function formatFingerprint(sha256: string): string {
  return sha256.toUpperCase().replace(/..(?=.)/g, "$&:");
}

function pairDirectory(options: DevelopmentCertificateOptions): string {
  return join(options.directory ?? developmentCacheDirectory(), "development");
}

function fingerprint(der: Uint8Array): string {
  return createHash("sha256").update(der).digest("hex");
}

interface Pair {
  readonly certificate: string;
  readonly privateKey: string;
}

/**
 * Puts certificate and key in place together, by renaming the folder that holds both: a process that
 * starts at the same moment sees a whole pair or none, never halves.
 * @returns false where another pair is there.
 */
async function keepPair(directory: string, pair: Pair): Promise<boolean> {
  const fresh = besides(directory);
  await mkdir(fresh, { recursive: true, mode: 0o700 });
  await writeFile(join(fresh, "certificate.pem"), pair.certificate, { mode: 0o644 });
  await writeFile(join(fresh, "key.pem"), pair.privateKey, { mode: 0o600 });
  try {
    await rename(fresh, directory);
    return true;
  } catch (cause) {
    await rm(fresh, { recursive: true, force: true });
    const code = (cause as NodeJS.ErrnoException).code;
    if (code === "ENOTEMPTY" || code === "EEXIST" || code === "EPERM") return false;
    throw cause;
  }
}

async function setAside(directory: string): Promise<void> {
  const old = besides(directory);
  await rename(directory, old).catch(() => undefined);
  await rm(old, { recursive: true, force: true });
}

function besides(directory: string): string {
  return `${directory}.${randomBytes(6).toString("hex")}`;
}

async function makePair(now: Date): Promise<Pair> {
  // Loaded here: it costs a start 100 ms, and is needed once in eleven days.
  const x509 = await import("@peculiar/x509");
  const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  // An hour back, so that a clock somewhat behind ours accepts it.
  const notBefore = new Date(now.getTime() - 60 * 60 * 1000);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned(
    {
      // The first byte keeps the integer positive and its encoding minimal (RFC 5280 section 4.1.2.2).
      serialNumber: `40${randomBytes(15).toString("hex")}`,
      name: "CN=millrace development",
      notBefore,
      notAfter: new Date(notBefore.getTime() + lifetimeMs),
      signingAlgorithm: algorithm,
      keys,
      extensions: [
        // A leaf, trusted by name: were it an authority, whoever takes the key could sign for any host.
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
        new x509.SubjectAlternativeNameExtension([
          ...names.map((value) => ({ type: "dns" as const, value })),
          ...addresses.map((value) => ({ type: "ip" as const, value })),
        ]),
        await x509.SubjectKeyIdentifierExtension.create(keys.publicKey, false, webcrypto),
      ],
    },
    webcrypto,
  );
  const pkcs8 = Buffer.from(await webcrypto.subtle.exportKey("pkcs8", keys.privateKey));
  const lines = pkcs8.toString("base64").replace(/.{1,64}/g, "$&\n");
  return {
    certificate: `${certificate.toString("pem")}\n`,
    privateKey: `-----BEGIN PRIVATE KEY-----\n${lines}-----END PRIVATE KEY-----\n`,
  };
}
