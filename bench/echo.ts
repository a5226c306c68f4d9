import type { BenchmarkOptions } from "./benchmark.js";
import { type LoadResult, load } from "./load.js";
import type { BenchServer } from "./servers.js";

/** What a client does to an echo server. */
export interface EchoLoad {
  readonly connections: number;
  readonly depth: number;
  readonly sizeBytes: number;
}

/** Loads an echo server once. */
export function loadEcho(
  client: "quic_echo_client" | "message_echo_client" | readonly string[],
  server: BenchServer,
  { connections, depth, sizeBytes }: EchoLoad,
  options: BenchmarkOptions,
  flags: readonly string[],
): Promise<LoadResult> {
  const size = ["--connections", String(connections), "--depth", String(depth), "--size", String(sizeBytes)];
  return load(client, server, options, [...flags, ...size]);
}
