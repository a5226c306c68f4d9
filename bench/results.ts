import { readFile, writeFile } from "node:fs/promises";
import type { Comparison } from "./benchmark.js";
import type { Machine } from "./machine.js";

/** What one benchmark measured. */
export interface BenchmarkResult {
  readonly name: string;
  readonly title: string;
  readonly comparisons: readonly Comparison[];
}

/** What a run measured, as it is kept in bench/results. */
export interface RunResult {
  /** ISO 8601, UTC. */
  readonly date: string;
  readonly machine: Machine;
  /** Which process ran on which core. */
  readonly pinning: string;
  readonly repetitions: number;
  readonly benchmarks: readonly BenchmarkResult[];
}

export async function writeResult(file: string, result: RunResult): Promise<void> {
  await writeFile(file, `${JSON.stringify(result, undefined, 2)}\n`);
}

export async function readResult(file: string): Promise<RunResult> {
  return JSON.parse(await readFile(file, "utf8")) as RunResult;
}
