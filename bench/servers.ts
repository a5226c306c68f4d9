import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { developmentCertificate } from "#internal/cli/certificate.js";
import { serverCore } from "./pinning.js";
import { BenchProcess } from "./process.js";
import { nativeProgram, root } from "./root.js";

/** A server that echoes, and where it listens. */
export interface EchoServer {
  readonly process: BenchProcess;
  readonly port: number;
}

/** Certificate files for servers, in a folder of their own until `remove`. */
export interface Identity {
  readonly certificatePath: string;
  readonly privateKeyPath: string;
  remove(): Promise<void>;
}

export async function makeIdentity(): Promise<Identity> {
  const directory = await mkdtemp(join(tmpdir(), "millrace-bench-"));
  const { certificatePath, privateKeyPath } = await developmentCertificate({ directory });
  const remove = () => rm(directory, { recursive: true, force: true });
  return { certificatePath, privateKeyPath, remove };
}

/** The floor for QUIC: msquic in C++, nothing else. */
export function startRawQuic(identity: Identity): Promise<EchoServer> {
  const files = ["--cert", identity.certificatePath, "--key", identity.privateKeyPath];
  return start([nativeProgram("quic_echo_server"), ...files]);
}

/** One of bench/servers, in Node. The command "gc" makes it collect its garbage. */
export function startNode(server: string, ...arguments_: string[]): Promise<EchoServer> {
  const program = join(root, "out", "bench", "servers", `${server}.js`);
  return start([process.execPath, "--expose-gc", program, ...arguments_]);
}

async function start(command: readonly string[]): Promise<EchoServer> {
  const started = await BenchProcess.start<{ port: number }>(command, { core: serverCore });
  return { process: started.process, port: started.ready.port };
}

/** Stops all of them, whatever happens to one. */
export async function stopAll(servers: Iterable<EchoServer>): Promise<void> {
  await Promise.all(Array.from(servers, (server) => server.process.stop()));
}
