import { InvalidArgumentError } from "../errors.js";
import type { ClientTlsOptions, ServerTlsOptions } from "../transport/tls.js";

/** Options that WebSocket does not honour: taken and ignored, they would give a false sense of safety. */
const unsupported = ["clientCertificate", "clientCa", "serverNames", "cipherSuites", "keyLogFile"] as const;

/** @throws InvalidArgumentError naming an option that WebSocket does not honour. */
export function refuseUnsupportedTls(tls: ServerTlsOptions | ClientTlsOptions | undefined): void {
  for (const name of unsupported) {
    if ((tls as Readonly<Record<string, unknown>> | undefined)?.[name] === undefined) continue;
    throw new InvalidArgumentError(
      `tls.${name} works on QUIC and TCP only; leave it out where a ws or wss URL is served or called`,
    );
  }
}
