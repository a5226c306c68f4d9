import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { Argument, Command, InvalidArgumentError } from "commander";
import pc from "picocolors";
import type { Benchmark, BenchmarkOptions, Comparison } from "./benchmark.js";
import { clientConnect } from "./client_connect.js";
import { clientFailover } from "./client_failover.js";
import { clientPage } from "./client_page.js";
import { clientStorm } from "./client_storm.js";
import { codec } from "./codec.js";
import { compression } from "./compression.js";
import { delivery } from "./delivery.js";
import { describeMachine } from "./machine.js";
import { memory } from "./memory.js";
import { describePinning } from "./pinning.js";
import { clearProgress, printComparison, showProgress } from "./print.js";
import { quicBulk } from "./quic_bulk.js";
import { quicDatagrams } from "./quic_datagrams.js";
import { quicEcho } from "./quic_echo.js";
import { quicHandshakes } from "./quic_handshakes.js";
import { quicKeepAlive } from "./quic_keepalive.js";
import { quicPublish } from "./quic_publish.js";
import { quicRequests } from "./quic_requests.js";
import { type BenchmarkResult, writeResult } from "./results.js";
import { ring } from "./ring.js";
import { root } from "./root.js";
import { sessionConnect } from "./session_connect.js";
import { sessionEarly } from "./session_early.js";
import { sessionEcho } from "./session_echo.js";
import { sessionLatency } from "./session_latency.js";
import { sessionMemory } from "./session_memory.js";
import { sessionMillion } from "./session_million.js";
import { sessionPublish } from "./session_publish.js";
import { sessionRequests } from "./session_requests.js";
import { sessionTable } from "./session_table.js";
import { sessionThreads } from "./session_threads.js";
import { topics } from "./topics.js";
import { webSocketEcho } from "./websocket_echo.js";

const benchmarks: readonly Benchmark[] = [
  ring,
  codec,
  compression,
  delivery,
  sessionTable,
  topics,
  quicEcho,
  quicBulk,
  quicRequests,
  quicHandshakes,
  quicDatagrams,
  quicPublish,
  quicKeepAlive,
  webSocketEcho,
  sessionEcho,
  sessionMemory,
  sessionRequests,
  sessionPublish,
  sessionConnect,
  sessionEarly,
  sessionMillion,
  sessionLatency,
  sessionThreads,
  clientConnect,
  clientFailover,
  clientPage,
  clientStorm,
  memory,
];

const measured: Omit<BenchmarkOptions, "progress" | "repetitions"> = {
  warmupMs: 1_000,
  durationMs: 3_000,
  idleConnections: 10_000,
  idleSessions: 19_000,
  busySessions: 100,
  events: 5_000_000,
  sessions: 1_000_000,
  clients: 2_000,
  roundTripsMs: [50, 150],
  clientPace: {},
};
/** Just enough to see that everything still runs. */
const smoke: Omit<BenchmarkOptions, "progress"> = {
  repetitions: 1,
  warmupMs: 100,
  durationMs: 300,
  idleConnections: 1_000,
  idleSessions: 500,
  busySessions: 10,
  events: 200_000,
  sessions: 20_000,
  clients: 50,
  roundTripsMs: [20],
  clientPace: { heartbeatMs: 1_000, autoSwitch: { stallMs: 500 } },
};

interface Flags {
  readonly repetitions: number;
  readonly smoke?: true;
  readonly json?: string;
  readonly save?: true;
}

function positive(text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1 && value <= 100) return value;
  throw new InvalidArgumentError("It must be 1..100.");
}

async function main(names: readonly string[], flags: Flags): Promise<void> {
  const options: BenchmarkOptions = {
    ...(flags.smoke ? smoke : { ...measured, repetitions: flags.repetitions }),
    progress: showProgress,
  };
  const machine = describeMachine();
  const pinning = describePinning();
  console.log(`${machine.cpu}, ${machine.cores} cores, ${machine.memoryGiB} GiB, ${machine.kernel}`);
  console.log(`Node ${machine.node}, commit ${machine.commit || "unknown"}; ${pinning}`);
  console.log(
    flags.smoke
      ? "A smoke run: the figures mean nothing"
      : `${options.repetitions} repetitions: median (lowest–highest)`,
  );

  const results: BenchmarkResult[] = [];
  for (const benchmark of benchmarks) {
    if (names.length > 0 && !names.includes(benchmark.name)) continue;
    const comparisons = await runOne(benchmark, options);
    results.push({ name: benchmark.name, title: benchmark.title, comparisons });
  }
  if (flags.smoke) requireFigures(results.flatMap((result) => result.comparisons));

  const date = new Date().toISOString();
  const result = { date, machine, pinning, repetitions: options.repetitions, benchmarks: results };
  if (flags.json !== undefined) await writeResult(flags.json, result);
  if (flags.save) {
    const directory = join(root, "bench", "results");
    await mkdir(directory, { recursive: true });
    await writeResult(join(directory, `${date.slice(0, 10)}.json`), result);
  }
}

/** One that fails leaves no figures and the others untouched; the whole run then fails in the end. */
async function runOne(benchmark: Benchmark, options: BenchmarkOptions): Promise<Comparison[]> {
  let comparisons: Comparison[] = [];
  let failure: unknown;
  try {
    comparisons = await benchmark.run(options);
  } catch (cause) {
    failure = cause;
    process.exitCode = 1;
  }
  clearProgress();
  console.log(`\n${pc.underline(benchmark.title)}`);
  if (failure !== undefined) console.error(failure);
  for (const comparison of comparisons) printComparison(comparison);
  return comparisons;
}

/**
 * A smoke run's figures mean nothing but that there are some, and that something was done in its time. What it took of
 * processors and memory may be less than their counters tell.
 */
function requireFigures(comparisons: readonly Comparison[]): void {
  for (const { title, unit, ours, peer } of comparisons) {
    const least = unit.endsWith("/s") ? Number.MIN_VALUE : -Infinity;
    for (const { name, values } of [ours, peer]) {
      if (values.length > 0 && values.every((value) => Number.isFinite(value) && value >= least)) continue;
      throw new Error(`${title}: ${name} gave ${values.join(", ") || "nothing"}`);
    }
  }
}

await new Command("npm run bench --")
  .description("Measures millrace beside its peers, in the same run and in turn.")
  .addArgument(
    new Argument("[benchmarks...]", "all of them by default").choices(benchmarks.map(({ name }) => name)),
  )
  .option("--repetitions <count>", "how often each is measured", positive, 5)
  .option("--smoke", "only see whether they run: a fraction of a second each")
  .option("--json <file>", "write the figures to a file")
  .option("--save", "write the figures to bench/results, under today's date")
  .action(main)
  .parseAsync();
