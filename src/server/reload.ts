import { InvalidArgumentError } from "../errors.js";
import { readOptions } from "../options/read.js";
import { object, option, optional } from "../options/schema.js";
import { parseTransportUrl } from "../transport/address.js";
import { loadServerCredential } from "../transport/credential.js";
import type { ServerTlsOptions } from "../transport/tls.js";
import type { TransportListener } from "../transport/transport.js";
import { type ServerOptions, serverOptionNames } from "./options.js";

/**
 * What of {@link ServerOptions} may be others while the server serves; each as it is when a server is made, so an object
 * such as `limits` is replaced as a whole. What is left out stays.
 */
export type ReloadOptions = Pick<
  ServerOptions,
  | "tls"
  | "limits"
  | "dispatcher"
  | "heartbeat"
  | "idleTimeoutMs"
  | "resumeWindowMs"
  | "authenticateTimeoutMs"
  | "replayBytes"
  | "highWaterMarkBytes"
  | "queueBytes"
  | "queuePolicy"
  | "maxPendingRequests"
  | "requestTimeoutMs"
  | "sameClient"
>;

const reloadable = {
  tls: true,
  limits: true,
  dispatcher: true,
  heartbeat: true,
  idleTimeoutMs: true,
  resumeWindowMs: true,
  authenticateTimeoutMs: true,
  replayBytes: true,
  highWaterMarkBytes: true,
  queueBytes: true,
  queuePolicy: true,
  maxPendingRequests: true,
  requestTimeoutMs: true,
  sameClient: true,
} satisfies Record<keyof ReloadOptions, true>;

/** Of listeners whose TLS is that of Node.js. */
const fixedSchemes: ReadonlySet<string> = new Set(["tls", "wss"]);
const anything = optional(option<unknown>("an option", () => true));
const schema = object(Object.fromEntries(Object.keys(reloadable).map((name) => [name, anything])));

/** All options as they are to be. @throws InvalidArgumentError for one that cannot be reloaded */
export function reloaded<Data>(before: ServerOptions<Data>, changes: ReloadOptions): ServerOptions<Data> {
  for (const name of Object.keys(changes)) {
    if (name in reloadable || !serverOptionNames.has(name)) continue;
    throw new InvalidArgumentError(
      `${name} cannot be reloaded: it is what the server was made with; close it and make another to change that`,
    );
  }
  const read = readOptions(schema, changes);
  return {
    ...before,
    ...Object.fromEntries(Object.entries(read).filter(([, value]) => value !== undefined)),
  };
}

/**
 * Has handshakes use another certificate, on all listeners that have one.
 * @throws what is wrong with it, and then it is used by none; InvalidArgumentError where no listener has TLS, or one cannot
 *   begin to ask for clients' certificates, or stop
 */
export async function reloadTls(
  listeners: readonly TransportListener[],
  before: ServerTlsOptions | undefined,
  tls: ServerTlsOptions,
): Promise<void> {
  const secure = listeners.filter(({ updateTls }) => updateTls !== undefined);
  if (secure.length === 0) throw new InvalidArgumentError("tls is of no use: no listener has TLS");
  const { clientCertificate } = await loadServerCredential(tls);
  const fixed = secure.find(({ url }) => fixedSchemes.has(parseTransportUrl(url).scheme));
  if (fixed !== undefined && clientCertificate !== (before?.clientCertificate ?? "none")) {
    throw new InvalidArgumentError(
      `tls.clientCertificate must be as it was for ${fixed.url}: Node.js has it fixed where a server is made; close this one and make another`,
    );
  }
  for (const listener of secure) await listener.updateTls!(tls);
}
