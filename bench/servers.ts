import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { developmentCertificate } from "#internal/cli/certificate.js";
import { serverCore } from "./pinning.js";
import { BenchProcess } from "./process.js";
import { nativeProgram, root } from "./root.js";

/** A server to load, and where it listens. */
export interface BenchServer {
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

/** A floor for QUIC: msquic in C++, nothing else. */
export function startRawQuic(
  identity: Identity,
  program:
    | "quic_answer_server"
    | "quic_echo_server"
    | "quic_publish_server"
    | "quic_publish_server_changed" = "quic_echo_server",
): Promise<BenchServer> {
  const files = ["--cert", identity.certificatePath, "--key", identity.privateKeyPath];
  return startServer([nativeProgram(program), ...files]);
}

/** One of bench/servers, in Node. The command "gc" makes it collect its garbage. */
export function startNode(server: string, ...arguments_: string[]): Promise<BenchServer> {
  const program = join(root, "out", "bench", "servers", `${server}.js`);
  return startServer([process.execPath, program, ...arguments_]);
}

/** Any command that prints the port it listens on. */
export async function startServer(command: readonly string[]): Promise<BenchServer> {
  const started = await BenchProcess.start<{ port: number }>(command, { core: serverCore });
  return { process: started.process, port: started.ready.port };
}

/** Stops all of them, whatever happens to one. */
export async function stopAll(servers: Iterable<BenchServer>): Promise<void> {
  await Promise.all(Array.from(servers, (server) => server.process.stop()));
}
