import { type BenchmarkOptions, type Comparison, inTurn, type Target } from "./benchmark.js";
import { describeServers, type LoadResult } from "./load.js";
import { type Identity, makeIdentity, stopAll } from "./servers.js";
import { isInstalled, type Loaded, ours, type SessionTransport, type Subject } from "./session_subjects.js";

/** What is compared of the results. */
export interface Row<Result> {
  readonly title: string;
  readonly unit: string;
  value(result: Result): number;
  /** What was promised beside a peer; undefined where nothing was. */
  target?(peer: string): Target | undefined;
}

/** Compares over one transport after the other. @param compare is given a certificate for those that need one */
export async function overTransports(
  transports: readonly SessionTransport[],
  compare: (transport: SessionTransport, identity: Identity) => Promise<readonly Comparison[]>,
): Promise<Comparison[]> {
  const identity = await makeIdentity();
  try {
    const comparisons: Comparison[] = [];
    for (const transport of transports) comparisons.push(...(await compare(transport, identity)));
    return comparisons;
  } finally {
    await identity.remove();
  }
}

/**
 * Measures ours and all peers in turn. A peer that is not installed, or that fails, is named with the reason and left
 * out; ours fails the benchmark.
 */
export async function beside<Result>(
  options: BenchmarkOptions,
  title: string,
  subjects: readonly Subject[],
  measure: (subject: Subject) => Promise<Result>,
  rows: readonly Row<Result>[],
): Promise<Comparison[]> {
  const missing = new Map<string, string>();
  const runs: Record<string, () => Promise<Result | undefined>> = {};
  for (const subject of subjects) {
    const { name } = subject;
    if (!(await isInstalled(subject))) missing.set(name, "not installed");
    else if (name === ours) runs[name] = () => measure(subject);
    else {
      runs[name] = async () => {
        if (missing.has(name)) return undefined;
        return measure(subject).catch((cause: unknown) => {
          missing.set(name, cause instanceof Error ? cause.message : String(cause));
          return undefined;
        });
      };
    }
  }
  const all = await inTurn(options, title, runs);
  const results = new Map(Object.entries(all).filter(([name]) => !missing.has(name)) as [string, Result[]][]);
  const comparisons = rows.flatMap((row) => compare(title, row, results));
  const note = describe(results, missing);
  const [first, ...others] = comparisons;
  return first === undefined || note === "" ? comparisons : [{ ...first, note }, ...others];
}

function compare<Result>(title: string, row: Row<Result>, results: Map<string, Result[]>): Comparison[] {
  const series = (name: string) => ({ name, values: results.get(name)!.map((result) => row.value(result)) });
  const peers = [...results.keys()].filter((name) => name !== ours);
  return peers.map((peer) => {
    const target = row.target?.(peer);
    return {
      title: `${title}: ${row.title}`,
      unit: row.unit,
      ours: series(ours),
      peer: series(peer),
      ...(target && { target }),
    };
  });
}

function describe(results: Map<string, unknown[]>, missing: Map<string, string>): string {
  const loads = [...results].filter(([, values]) => values.every(isLoad)) as [string, LoadResult[]][];
  const cores = loads.length === 0 ? [] : [describeServers(Object.fromEntries(loads))];
  return [...cores, ...Array.from(missing, ([name, why]) => `${name}: ${why}`)].join("; ");
}

function isLoad(result: unknown): result is LoadResult {
  return typeof (result as Partial<LoadResult> | undefined)?.serverCores === "number";
}

/** Starts each of them when it is first measured, and stops all in the end. */
export async function withServers<Result>(
  sizeBytes: number,
  use: (serverOf: (subject: Subject) => Promise<Loaded>) => Promise<Result>,
): Promise<Result> {
  const started = new Map<Subject, Loaded>();
  try {
    return await use(async (subject) => {
      const loaded = started.get(subject) ?? (await subject.start(sizeBytes));
      started.set(subject, loaded);
      return loaded;
    });
  } finally {
    await stopAll(Array.from(started.values(), ({ server }) => server));
  }
}
