import { randomUUID } from "node:crypto";
import { rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Engine } from "../native/engine.js";
import type { NativeConfigurationOptions } from "../native/environment.js";
import type { ClientTrust, ServerCredential } from "../transport/credential.js";
import { credentialError } from "./status.js";

/** What both ends set. Windows and stream counts limit what the peer may send before it is consumed. */
export type ConfigurationSettings = Omit<
  NativeConfigurationOptions,
  "server" | "certificatePem" | "privateKeyPem" | "caFile" | "insecure"
>;

/**
 * A configuration for one listener. Release it with `engine.native.releaseConfiguration` when the listener has it.
 * @throws InternalError when msquic refuses the credential that we found sound.
 */
export function serverConfiguration(
  engine: Engine,
  settings: ConfigurationSettings,
  credential: ServerCredential,
): Promise<number> {
  return open(engine, { ...settings, ...credential, server: true, caFile: "", insecure: false });
}

/** A client's configuration: connect calls with the same settings and trust share one. */
interface ClientConfiguration {
  readonly id: Promise<number>;
  /** Connect calls that are using it. */
  users: number;
}

// Each is a TLS context of tens of kilobytes. Of those that nobody uses the least recently used goes first.
const clientConfigurations = new Map<string, ClientConfiguration>();
const MAX_CLIENT_CONFIGURATIONS = 32;

/** Lends the configuration of a connect call until `use` has settled. */
export async function withClientConfiguration<T>(
  engine: Engine,
  settings: ConfigurationSettings,
  trust: ClientTrust,
  use: (configuration: number) => Promise<T>,
): Promise<T> {
  const key = JSON.stringify([settings, trust.caPem, trust.insecure]);
  const configuration = clientConfigurations.get(key) ?? {
    id: openClient(engine, settings, trust),
    users: 0,
  };
  clientConfigurations.delete(key);
  clientConfigurations.set(key, configuration); // the last is the most recently used
  configuration.users += 1;
  try {
    return await use(await configuration.id);
  } finally {
    configuration.users -= 1;
    configuration.id.catch(() => clientConfigurations.delete(key));
    forgetOldest(engine);
  }
}

function forgetOldest(engine: Engine): void {
  for (const [key, { id, users }] of clientConfigurations) {
    if (clientConfigurations.size <= MAX_CLIENT_CONFIGURATIONS) return;
    if (users > 0) continue;
    clientConfigurations.delete(key);
    id.then(
      (configuration) => engine.native.releaseConfiguration(configuration),
      () => {},
    );
  }
}

async function openClient(
  engine: Engine,
  settings: ConfigurationSettings,
  trust: ClientTrust,
): Promise<number> {
  // msquic takes the CA as a file only; it is no secret, and is read once.
  const caFile = trust.caPem === undefined ? "" : join(tmpdir(), `millrace-ca-${randomUUID()}.pem`);
  if (trust.caPem !== undefined) await writeFile(caFile, trust.caPem, { mode: 0o600, flag: "wx" });
  try {
    return await open(engine, {
      ...settings,
      server: false,
      certificatePem: "",
      privateKeyPem: "",
      caFile,
      insecure: trust.insecure,
    });
  } finally {
    if (caFile !== "") await rm(caFile, { force: true });
  }
}

async function open(engine: Engine, options: NativeConfigurationOptions): Promise<number> {
  let id = 0;
  const { status } = await engine.request((request) => {
    id = engine.native.configure(request, options);
  });
  if (status === 0) return id;
  engine.native.releaseConfiguration(id);
  throw credentialError(status);
}
