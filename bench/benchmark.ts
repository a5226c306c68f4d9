import type { ClientOptions } from "millrace/client";
import { median } from "./statistics.js";

/** What somebody promised of a comparison. */
export type Target =
  | { readonly of: "ratio"; readonly atLeast: number }
  | { readonly of: "ratio"; readonly atMost: number }
  | { readonly of: "difference"; readonly atMost: number };

/** One subject's values, one a repetition. */
export interface Series {
  readonly name: string;
  readonly values: readonly number[];
}

/** Ours beside a peer's: value i of both was measured one right after the other. */
export interface Comparison {
  readonly title: string;
  /** What the values are, such as "messages/s". */
  readonly unit: string;
  readonly ours: Series;
  readonly peer: Series;
  readonly target?: Target;
  /** What a reader needs to trust the figures, such as how busy the servers were. */
  readonly note?: string;
}

export interface BenchmarkOptions {
  readonly repetitions: number;
  readonly warmupMs: number;
  readonly durationMs: number;
  /** Connections of the memory benchmarks. */
  readonly idleConnections: number;
  /** The same, where each takes a file descriptor: of 20,000 that a process may have, some are needed otherwise. */
  readonly idleSessions: number;
  /** Connections of the echo through sessions. */
  readonly busySessions: number;
  /** Events of the benchmarks of rings. */
  readonly events: number;
  /** Of the session table. */
  readonly sessions: number;
  /** Clients whose server is begun anew. */
  readonly clients: number;
  /** Of the networks between clients and servers. */
  readonly roundTripsMs: readonly number[];
  /** How a client notices that nothing comes any more; what is left out is as it is by default. */
  readonly clientPace: ClientOptions;
  progress(step: string): void;
}

export interface Benchmark {
  readonly name: string;
  readonly title: string;
  run(options: BenchmarkOptions): Promise<Comparison[]>;
}

/** Ours divided by the peer's, the median over the pairs. */
export function ratio(comparison: Comparison): number {
  return median(comparison.ours.values.map((value, index) => value / comparison.peer.values[index]!));
}

/** Ours minus the peer's, the median over the pairs. */
export function difference(comparison: Comparison): number {
  return median(comparison.ours.values.map((value, index) => value - comparison.peer.values[index]!));
}

/** Undefined where nothing was promised. */
export function isMet(comparison: Comparison): boolean | undefined {
  const target = comparison.target;
  if (target === undefined) return undefined;
  if (target.of === "difference") return difference(comparison) <= target.atMost;
  return "atLeast" in target ? ratio(comparison) >= target.atLeast : ratio(comparison) <= target.atMost;
}

/**
 * Runs every subject in turn, as often as there are repetitions, so that what disturbs the machine for a while
 * disturbs all of them alike.
 */
export async function inTurn<Name extends string, Result>(
  options: BenchmarkOptions,
  title: string,
  subjects: Readonly<Record<Name, () => Promise<Result>>>,
): Promise<Record<Name, Result[]>> {
  const names = Object.keys(subjects) as Name[];
  const results = Object.fromEntries(names.map((name) => [name, []])) as unknown as Record<Name, Result[]>;
  for (let repetition = 1; repetition <= options.repetitions; repetition += 1) {
    for (const name of names) {
      options.progress(`${title}: ${name}, ${repetition} of ${options.repetitions}`);
      results[name].push(await subjects[name]());
    }
  }
  return results;
}
