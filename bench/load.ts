import type { BenchmarkOptions } from "./benchmark.js";
import { clientCore } from "./pinning.js";
import { BenchProcess } from "./process.js";
import { nativeProgram } from "./root.js";
import type { BenchServer } from "./servers.js";
import { median } from "./statistics.js";

/** What the loading clients print. Those that take no latencies leave them out. */
interface ClientResult {
  readonly perSecond: number;
  readonly p50Us: number;
  readonly p99Us: number;
  /** All that was done, before and after measuring too. */
  readonly operations: number;
}

export interface LoadResult extends ClientResult {
  /** Cores that the server kept busy, meanwhile. Near 1 it is the server that sets the pace. */
  readonly serverCores: number;
  /** The server's CPU time for each operation. */
  readonly serverCpuUs: number;
}

const spareMs = 30_000;

/** Loads a server once with one of the native clients, or any program with the flags that it always has. */
export async function load(
  client: string | readonly string[],
  server: BenchServer,
  options: BenchmarkOptions,
  flags: readonly string[],
): Promise<LoadResult> {
  const command = typeof client === "string" ? [nativeProgram(client)] : [...client];
  command.push("--port", String(server.port), ...flags);
  command.push("--warmup-ms", String(options.warmupMs), "--duration-ms", String(options.durationMs));
  const deadlineMs = options.warmupMs + options.durationMs + spareMs;
  const usedBefore = await server.process.cpuSeconds();
  const begun = performance.now();
  const result = await BenchProcess.run<ClientResult>(command, { core: clientCore, deadlineMs });
  const used = (await server.process.cpuSeconds()) - usedBefore;
  return {
    ...result,
    serverCores: used / ((performance.now() - begun) / 1000),
    serverCpuUs: (used * 1e6) / result.operations,
  };
}

export function describeServers(results: Readonly<Record<string, readonly LoadResult[]>>): string {
  const cores = Object.entries(results).map(
    ([name, values]) => `${name} ${median(values.map((value) => value.serverCores)).toFixed(2)}`,
  );
  return `cores used: ${cores.join(", ")}`;
}

/** One field of every repetition. */
export function series(
  name: string,
  results: readonly LoadResult[],
  field: keyof LoadResult,
): { name: string; values: number[] } {
  return { name, values: results.map((result) => result[field]) };
}
