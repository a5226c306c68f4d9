import { InvalidArgumentError } from "../../errors.js";
import { loadServerCredential, type ServerCredential } from "../../transport/credential.js";
import type { ServerTlsOptions } from "../../transport/tls.js";
import type { QuicBehaviour } from "../behaviour.js";
import type { ConfigurationSettings } from "../configuration.js";
import { configurationSettings, type ReadQuicOptions } from "../options/settings.js";
import type { Authenticator } from "./authentication.js";

/**
 * Somebody has to judge the certificates that are asked for, and who judges has to be given some.
 * @throws what loadServerCredential throws
 */
export async function loadListenerCredential(
  tls: ServerTlsOptions,
  { authenticate }: QuicBehaviour,
): Promise<ServerCredential> {
  const credential = await loadServerCredential(tls);
  const asks = credential.clientCertificate !== "none";
  if (asks && credential.clientCaPem === undefined && authenticate === undefined) {
    throw new InvalidArgumentError(
      "tls.clientCertificate needs tls.clientCa or behaviour.authenticate, which say whose are taken",
    );
  }
  if (!asks && authenticate !== undefined) {
    throw new InvalidArgumentError(
      'behaviour.authenticate needs tls.clientCertificate, "request" or "require"',
    );
  }
  return credential;
}

/** msquic's own timeout ends a handshake without a word; that of `authenticate`, which tells why, has to come first. */
export function listenerSettings(
  options: ReadQuicOptions,
  authenticator: Authenticator | undefined,
): ConfigurationSettings {
  const settings = configurationSettings(options);
  if (authenticator === undefined) return settings;
  return { ...settings, handshakeTimeoutMs: Math.min(2 * settings.handshakeTimeoutMs, 0x7fff_ffff) };
}
