import { constants } from "node:fs";
import { domainToASCII } from "node:url";
import { InvalidArgumentError } from "../errors.js";
import { readOptions } from "../options/read.js";
import { withoutZone } from "./address.js";
import { type Identity, loadIdentity } from "./identity.js";
import { certificatesOnly, readPem } from "./pem.js";
import { openRegularFile } from "./regular_file.js";
import {
  type CipherSuite,
  type ClientTlsOptions,
  clientTlsOptions,
  identityOptions,
  type PemSource,
  type ServerTlsOptions,
  serverTlsOptions,
} from "./tls.js";

/** What is the same on both sides. */
interface Credential {
  /** Undefined where TLS chooses. */
  readonly cipherSuites: readonly CipherSuite[] | undefined;
  /** A path; undefined where secrets are not logged. */
  readonly keyLogFile: string | undefined;
}

/** A server's TLS, read and found sound. */
export interface ServerCredential extends Identity, Credential {
  readonly clientCertificate: "none" | "request" | "require";
  /** Undefined where clients' certificates are not judged by a CA. */
  readonly clientCaPem: string | undefined;
  /** By name in lower case, as SNI has it, or `*.` and a domain. */
  readonly serverNames: ReadonlyMap<string, Identity>;
}

/** A client's TLS, read and found sound. */
export interface ClientCredential extends Credential {
  readonly identity: Identity | undefined;
  /** Undefined where those are trusted that Node trusts. */
  readonly caPem: string | undefined;
  /** The name the certificate must have. */
  readonly serverName: string;
  /** See {@link ClientTlsOptions.pins}. */
  readonly pins: readonly string[] | undefined;
  readonly insecure: boolean;
}

/**
 * @throws InvalidArgumentError; CredentialMissingError, CredentialUnreadableError, CredentialMismatchError,
 *   CertificateExpiredError; AddonUnavailableError for PKCS#12
 */
export async function loadServerCredential(options: ServerTlsOptions): Promise<ServerCredential> {
  const tls = readOptions(serverTlsOptions, options, "tls", "tls.");
  const identity = await loadIdentity(tls, "tls");
  if (identity === undefined) {
    throw new InvalidArgumentError("tls needs certificate and privateKey, or pkcs12");
  }
  const { clientCertificate = "none", clientCa } = tls;
  if (clientCa !== undefined && clientCertificate === "none") {
    throw new InvalidArgumentError('tls.clientCa needs tls.clientCertificate, "request" or "require"');
  }
  return {
    ...identity,
    clientCertificate,
    clientCaPem: await loadCa(clientCa),
    serverNames: await loadServerNames(tls.serverNames ?? {}),
    cipherSuites: tls.cipherSuites,
    keyLogFile: await openKeyLog(tls.keyLogFile),
  };
}

/**
 * @param host the name or address that is connected to: what the certificate must be for, by default.
 * @throws as loadServerCredential
 */
export async function loadClientCredential(
  options: ClientTlsOptions | undefined,
  host: string,
): Promise<ClientCredential> {
  const tls = readOptions(clientTlsOptions, options ?? {}, "tls", "tls.");
  const { pins, insecure = false } = tls;
  if (insecure && pins === undefined) warnOfInsecure();
  return {
    identity: await loadIdentity(tls, "tls"),
    caPem: await loadCa(tls.ca),
    serverName: tls.serverName ?? withoutZone(host),
    pins,
    insecure,
    cipherSuites: tls.cipherSuites,
    keyLogFile: await openKeyLog(tls.keyLogFile),
  };
}

let hasWarned = false;

/** Once: a client that comes back by itself would say it each time. */
function warnOfInsecure(): void {
  if (hasWarned) return;
  hasWarned = true;
  process.emitWarning("tls.insecure is set: servers' certificates are not checked", {
    type: "MillraceWarning",
    code: "MILLRACE_TLS_INSECURE",
    detail:
      "Somebody in between can read and change everything. Trust an authority by tls.ca, or a key by tls.pins.",
  });
}

async function loadCa(source: PemSource | undefined): Promise<string | undefined> {
  return source === undefined ? undefined : certificatesOnly(await readPem(source, "CA certificate"));
}

async function loadServerNames(
  serverNames: NonNullable<ServerTlsOptions["serverNames"]>,
): Promise<ReadonlyMap<string, Identity>> {
  const identities = new Map<string, Identity>();
  for (const [name, options] of Object.entries(serverNames)) {
    const path = `tls.serverNames[${JSON.stringify(name)}]`;
    const given = readOptions(identityOptions, options, path, `${path}.`);
    const identity = await loadIdentity(given, path);
    if (identity === undefined) {
      throw new InvalidArgumentError(`${path} needs certificate and privateKey, or pkcs12`);
    }
    identities.set(readServerName(name, path), identity);
  }
  return identities;
}

/** A host name as SNI has it: in lower case, other scripts in their ASCII form. */
function readServerName(name: string, path: string): string {
  const wildcard = name.startsWith("*.") ? "*." : "";
  const host = domainToASCII(name.slice(wildcard.length)).toLowerCase();
  const isFit = host !== "" && !host.includes("*") && !(wildcard !== "" && !host.includes("."));
  if (isFit) return wildcard + host;
  throw new InvalidArgumentError(`${path} must be named by a host, or by "*." and a domain`);
}

/** Names the file, and sees that it can be written, before a connection depends on it. */
async function openKeyLog(file: string | true | undefined): Promise<string | undefined> {
  if (file === undefined) return undefined;
  const path = file === true ? process.env.SSLKEYLOGFILE : file;
  if (path === undefined || path === "") {
    throw new InvalidArgumentError("tls.keyLogFile is true, but the environment has no SSLKEYLOGFILE");
  }
  const { O_APPEND, O_CREAT, O_WRONLY } = constants;
  const log = await openRegularFile(path, O_APPEND | O_CREAT | O_WRONLY, 0o600).catch((cause) => {
    throw new InvalidArgumentError(`tls.keyLogFile "${path}" cannot be written`, { cause });
  });
  // A FIFO that nobody reads would hold the engine's threads up.
  if (log === undefined) throw new InvalidArgumentError(`tls.keyLogFile "${path}" is no regular file`);
  await log.close();
  return path;
}
