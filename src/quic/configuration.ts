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

// A client's configuration is a TLS context of tens of kilobytes: connect calls with the same options share one.
// The least recently used goes first.
const clientConfigurations = new Map<string, Promise<number>>();
const MAX_CLIENT_CONFIGURATIONS = 32;

/** The configuration for a connect call, shared with others of the same settings and trust. */
export function clientConfiguration(
  engine: Engine,
  settings: ConfigurationSettings,
  trust: ClientTrust,
): Promise<number> {
  const key = JSON.stringify([settings, trust.caPem, trust.insecure]);
  const known = clientConfigurations.get(key);
  const configuration = known ?? openClient(engine, settings, trust);
  clientConfigurations.delete(key);
  clientConfigurations.set(key, configuration);
  if (known === undefined) {
    configuration.catch(() => clientConfigurations.delete(key));
    forgetOldest(engine);
  }
  return configuration;
}

function forgetOldest(engine: Engine): void {
  if (clientConfigurations.size <= MAX_CLIENT_CONFIGURATIONS) return;
  const [key, configuration] = clientConfigurations.entries().next().value!;
  clientConfigurations.delete(key);
  configuration.then(
    (id) => engine.native.releaseConfiguration(id),
    () => {},
  );
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
