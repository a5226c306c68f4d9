import type { BenchmarkOptions } from "./benchmark.js";
import { clientCore } from "./pinning.js";
import { BenchProcess } from "./process.js";
import { nativeProgram } from "./root.js";
import { median } from "./statistics.js";

/** What the echo clients print. */
interface ClientResult {
  readonly perSecond: number;
  readonly p50Us: number;
  readonly p99Us: number;
}

export interface EchoResult extends ClientResult {
  /** Cores that the server kept busy, meanwhile. Near 1 it is the server that sets the pace. */
  readonly serverCores: number;
}

/** What a client does to a server. */
export interface EchoLoad {
  readonly connections: number;
  readonly depth: number;
  readonly sizeBytes: number;
}

const spareMs = 30_000;

/** Loads an echo server once with one of the native clients. */
export async function loadEcho(
  client: "quic_echo_client" | "ws_echo_client",
  server: { readonly process: BenchProcess; readonly port: number },
  load: EchoLoad,
  options: BenchmarkOptions,
  flags: readonly string[],
): Promise<EchoResult> {
  const command = [nativeProgram(client), "--port", String(server.port), ...flags];
  command.push("--connections", String(load.connections), "--depth", String(load.depth));
  command.push("--size", String(load.sizeBytes));
  command.push("--warmup-ms", String(options.warmupMs), "--duration-ms", String(options.durationMs));
  const deadlineMs = options.warmupMs + options.durationMs + spareMs;
  const usedBefore = await server.process.cpuSeconds();
  const begun = performance.now();
  const result = await BenchProcess.run<ClientResult>(command, { core: clientCore, deadlineMs });
  const used = (await server.process.cpuSeconds()) - usedBefore;
  return { ...result, serverCores: used / ((performance.now() - begun) / 1000) };
}

export function describeServers(results: Readonly<Record<string, readonly EchoResult[]>>): string {
  const cores = Object.entries(results).map(
    ([name, values]) => `${name} ${median(values.map((value) => value.serverCores)).toFixed(2)}`,
  );
  return `cores used: ${cores.join(", ")}`;
}

/** One field of every repetition. */
export function series(
  name: string,
  results: readonly EchoResult[],
  field: keyof EchoResult,
): { name: string; values: number[] } {
  return { name, values: results.map((result) => result[field]) };
}
