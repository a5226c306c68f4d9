import type { Command } from "commander";
import type { ClientTlsOptions, ServerTlsOptions } from "../index.js";
import type { Complete } from "../options/complete.js";
import {
  type DevelopmentCertificate,
  developmentCertificate,
  findDevelopmentCertificate,
} from "./certificate.js";

/** `--cert` and `--key`, as commander gives them. */
export interface CertificateOptions {
  readonly cert?: string;
  readonly key?: string;
}

/** Who a server of ours is: a certificate that was given, or the development one. */
export interface ServerIdentity {
  readonly tls: Complete<Pick<ServerTlsOptions, "certificate" | "privateKey">>;
  /** Undefined where the user gave a certificate. */
  readonly development: DevelopmentCertificate | undefined;
}

/** Adds the two options to a command. */
export function withCertificateOptions(command: Command): Command {
  return command
    .option("--cert <file>", "certificate with its chain, PEM (default: a development certificate is made)")
    .option("--key <file>", "its private key, PEM");
}

/** The certificate to serve with; `command` complains where only half of it was given. */
export async function serverIdentity(options: CertificateOptions, command: Command): Promise<ServerIdentity> {
  const { cert, key } = options;
  if (cert !== undefined && key !== undefined) {
    return { tls: { certificate: cert, privateKey: key }, development: undefined };
  }
  if (cert !== undefined || key !== undefined) {
    command.error("error: --cert and --key belong together; give both or none");
  }
  const development = await developmentCertificate();
  return {
    tls: { certificate: development.certificatePath, privateKey: development.privateKeyPath },
    development,
  };
}

/** True for the names and addresses by which a machine calls itself. */
export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127(\.\d{1,3}){3}$/.test(host);
}

/** What a client trusts: the system's authorities, on this machine also the development certificate. */
export interface ClientTrust {
  readonly tls: ClientTlsOptions | undefined;
  /** What to tell the user about it, where that is not the usual. */
  readonly note: string | undefined;
}

/**
 * @param ca a PEM file; it alone is trusted.
 * @param insecure takes any certificate.
 */
export async function clientTrust(
  host: string,
  { ca, insecure }: { readonly ca?: string | undefined; readonly insecure: boolean },
): Promise<ClientTrust> {
  if (insecure) {
    return { tls: { insecure: true }, note: "the server's certificate is not checked (--insecure)" };
  }
  if (ca !== undefined) return { tls: { ca }, note: undefined };
  const development = isLoopback(host) ? await findDevelopmentCertificate() : undefined;
  if (development === undefined) return { tls: undefined, note: undefined };
  return {
    tls: { ca: development.certificatePath },
    note: `trusting this machine's development certificate, ${development.certificatePath}`,
  };
}
