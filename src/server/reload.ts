import { InvalidArgumentError } from "../errors.js";
import { readOptions } from "../options/read.js";
import { object, option, optional } from "../options/schema.js";
import { loadServerCredential } from "../transport/credential.js";
import type { ServerTlsOptions } from "../transport/tls.js";
import type { TransportListener } from "../transport/transport.js";
import type { ServerOptions } from "./options.js";

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
  queueBytes: true,
  queuePolicy: true,
  maxPendingRequests: true,
  requestTimeoutMs: true,
  sameClient: true,
} satisfies Record<keyof ReloadOptions, true>;

const anything = optional(option<unknown>("an option", () => true));
const schema = object(Object.fromEntries(Object.keys(reloadable).map((name) => [name, anything])));

/** All options as they are to be. @throws InvalidArgumentError for one that cannot be reloaded */
export function reloaded<Data>(before: ServerOptions<Data>, changes: ReloadOptions): ServerOptions<Data> {
  const read = readOptions(schema, changes);
  return {
    ...before,
    ...Object.fromEntries(Object.entries(read).filter(([, value]) => value !== undefined)),
  };
}

/**
 * Has handshakes use another certificate, on all listeners that have one.
 * @throws what is wrong with it, and then it is used by none; InvalidArgumentError where no listener has TLS
 */
export async function reloadTls(
  listeners: readonly TransportListener[],
  tls: ServerTlsOptions,
): Promise<void> {
  const secure = listeners.filter(({ updateTls }) => updateTls !== undefined);
  if (secure.length === 0) throw new InvalidArgumentError("tls is of no use: no listener has TLS");
  await loadServerCredential(tls);
  for (const listener of secure) await listener.updateTls!(tls);
}
