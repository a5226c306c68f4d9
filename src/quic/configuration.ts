import { createHash } from "node:crypto";
import type { Engine } from "../native/engine.js";
import type { NativeConfigurations, NativeCredential, NativeSettings } from "../native/environment.js";
import type { ClientCredential, ServerCredential } from "../transport/credential.js";
import type { Identity } from "../transport/identity.js";
import { systemCaPem } from "../transport/system_ca.js";
import type { CipherSuite } from "../transport/tls.js";
import { credentialError } from "./status.js";

/** What both ends set. Windows and stream counts limit what the peer may send before it is consumed. */
export interface ConfigurationSettings extends NativeSettings {
  readonly alpns: readonly string[];
}

/** Configurations of a listener, and how to let go of them. */
export interface ServerConfigurations {
  readonly byName: NativeConfigurations;
  /** Whoever uses them keeps them. */
  release(): void;
}

/**
 * The configurations of a listener: one for each server name, and the default.
 * @throws InternalError when msquic refuses a credential that we found sound.
 */
export async function serverConfigurations(
  engine: Engine,
  settings: ConfigurationSettings,
  credential: ServerCredential,
  resumption: boolean,
): Promise<ServerConfigurations> {
  const identities: [string, Identity][] = [["", credential], ...credential.serverNames];
  const opened = await Promise.allSettled(
    identities.map(async ([name, identity]) => {
      const id = await open(engine, settings, serverCredential(credential, identity), resumption);
      return [name, id] as const;
    }),
  );
  const byName = opened.filter((result) => result.status === "fulfilled").map((result) => result.value);
  const release = () => {
    for (const [, id] of byName) engine.native.releaseConfiguration(id);
  };
  const failure = opened.find((result) => result.status === "rejected");
  if (failure === undefined) return { byName, release };
  release();
  throw failure.reason;
}

const clientCertificates = ["none", "request", "require"] as const;
const cipherBits: Readonly<Record<CipherSuite, number>> = {
  TLS_AES_128_GCM_SHA256: 1,
  TLS_AES_256_GCM_SHA384: 2,
  TLS_CHACHA20_POLY1305_SHA256: 4,
};

function cipherSuites(names: readonly CipherSuite[] = []): number {
  return names.reduce((bits, name) => bits | cipherBits[name], 0);
}

function serverCredential(credential: ServerCredential, identity: Identity): NativeCredential {
  return {
    server: true,
    certificatePem: identity.certificatePem,
    privateKeyPem: identity.privateKeyPem,
    caPem: credential.clientCaPem ?? "",
    anyPeer: credential.clientCaPem === undefined,
    clientCertificate: clientCertificates.indexOf(credential.clientCertificate),
    cipherSuites: cipherSuites(credential.cipherSuites),
    keyLogFile: credential.keyLogFile ?? "",
  };
}

async function clientCredential(credential: ClientCredential): Promise<NativeCredential> {
  const { identity, caPem, insecure, keyLogFile } = credential;
  return {
    server: false,
    certificatePem: identity?.certificatePem ?? "",
    privateKeyPem: identity?.privateKeyPem ?? "",
    caPem: insecure ? "" : (caPem ?? (await systemCaPem())),
    anyPeer: insecure,
    clientCertificate: 0,
    cipherSuites: cipherSuites(credential.cipherSuites),
    keyLogFile: keyLogFile ?? "",
  };
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
  credential: ClientCredential,
  use: (configuration: number) => Promise<T>,
): Promise<T> {
  const key = keyOf(settings, credential);
  const configuration = clientConfigurations.get(key) ?? {
    id: clientCredential(credential).then((native) => open(engine, settings, native)),
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

/** A hash: a private key is not kept for it. */
function keyOf(settings: ConfigurationSettings, { serverName: _, ...credential }: ClientCredential): string {
  return createHash("sha256")
    .update(JSON.stringify([settings, credential]))
    .digest("base64");
}

async function open(
  engine: Engine,
  settings: ConfigurationSettings,
  credential: NativeCredential,
  resumption = false,
): Promise<number> {
  let id = 0;
  const { status } = await engine.request((request) => {
    id = engine.native.configure(request, { ...settings, credential, resumption });
  });
  if (status === 0) return id;
  engine.native.releaseConfiguration(id);
  throw credentialError(status);
}
