import { access } from "node:fs/promises";
import { join } from "node:path";
import { type Benchmark, type BenchmarkOptions, type Comparison, inTurn, type Target } from "./benchmark.js";
import { serverCore } from "./pinning.js";
import { BenchProcess } from "./process.js";
import { nativeProgram, root } from "./root.js";
import type { Figures } from "./sessions/figures.js";

const deadlineMs = 180_000;
const slotsOfFreeRing = 4_096;
const dashMap = join(root, "bench", "peers", "dashmap", "target", "release", "millrace-dashmap");
const here = join(import.meta.dirname, "sessions");
const ours = "millrace";

interface Row {
  readonly title: string;
  readonly unit: string;
  readonly of: keyof Figures;
  /** Beside a Map. */
  readonly target?: Target;
}

const rows: readonly Row[] = [
  {
    title: "a session ends, one begins, one is touched",
    unit: "ns",
    of: "mix",
    target: { of: "ratio", atMost: 0.5 },
  },
  { title: "the same, found by 128-bit ids as well", unit: "ns", of: "mixWithIds" },
  { title: "lookup by handle", unit: "ns", of: "lookup" },
  { title: "lookup by 128-bit id", unit: "ns", of: "find" },
  { title: "idle sweep, a session", unit: "ns", of: "sweep" },
  { title: "memory, a session", unit: "bytes", of: "bytesPerSession" },
];

/** The session table and what belongs to it, at a million sessions. */
export const sessionTable: Benchmark = {
  name: "session-table",
  title: "Session table: beside a Map, DashMap, C++ and postMessage",
  async run(options) {
    return [
      ...(await compareTables(options)),
      ...(await compareFreeRings(options)),
      ...(await compareInboxes(options)),
    ];
  },
};

async function compareTables(options: BenchmarkOptions): Promise<Comparison[]> {
  const counts = [String(options.sessions), String(options.sessions)];
  const inNode = (subject: string) => () =>
    run<Figures>(
      [
        process.execPath,
        "--expose-gc",
        "--max-old-space-size=4096",
        join(here, "subject.js"),
        subject,
        ...counts,
      ],
      serverCore,
    );
  const hasDashMap = await access(dashMap).then(
    () => true,
    () => false,
  );
  const title = `${options.sessions} sessions`;
  const subjects: Record<string, () => Promise<Figures>> = {
    [ours]: inNode("table"),
    "Map of objects": inNode("map"),
    ...(hasDashMap && { "DashMap (Rust)": () => run<Figures>([dashMap, ...counts], serverCore) }),
  };
  const results: Record<string, Figures[]> = await inTurn(options, title, subjects);
  const peers = Object.keys(results).filter((name) => name !== ours);
  return rows.flatMap((row) =>
    peers.map((peer) => {
      const isMap = peer === "Map of objects";
      return {
        title: `${title}: ${row.title}`,
        unit: row.unit,
        ours: { name: ours, values: results[ours]!.map((figures) => figures[row.of]) },
        peer: { name: peer, values: results[peer]!.map((figures) => figures[row.of]) },
        ...(isMap && row.target && { target: row.target }),
        ...(isMap && row.of === "mix" && { note: pauses(results[ours]!, results[peer]!) }),
        ...(isMap && !hasDashMap && { note: "DashMap is not installed" }),
      };
    }),
  );
}

/** What the collector did in the mix; its time is in the figures. */
function pauses(mine: readonly Figures[], peer: readonly Figures[]): string {
  const describe = (figures: readonly Figures[]) =>
    `${Math.max(...figures.map(({ pauseMs }) => pauseMs)).toFixed(0)} ms in all, ` +
    `${Math.max(...figures.map(({ longestPauseMs }) => longestPauseMs)).toFixed(0)} ms at most`;
  return `garbage collection, counted: ${describe(mine)}; of the Map: ${describe(peer)}`;
}

async function compareFreeRings(options: BenchmarkOptions): Promise<Comparison[]> {
  const comparisons: Comparison[] = [];
  for (const threads of [1, 2]) {
    const arguments_ = [String(threads), String(options.events), String(slotsOfFreeRing)];
    const measure = (command: readonly string[]) => async () =>
      (await run<{ operationsPerSecond: number }>([...command, ...arguments_])).operationsPerSecond;
    const title = `free slots' ring, ${threads} ${threads === 1 ? "thread" : "threads"}`;
    const results = await inTurn(options, title, {
      js: measure([process.execPath, join(here, "free_ring_subject.js")]),
      cpp: measure([nativeProgram("free_ring")]),
    });
    comparisons.push({
      title,
      unit: "operations/s",
      ours: { name: "src/session/free_ring.ts", values: results.js },
      peer: { name: "native/session/free_ring.h", values: results.cpp },
      ...(threads > 1 && { target: { of: "ratio", atLeast: 0.5 } as const }),
    });
  }
  return comparisons;
}

async function compareInboxes(options: BenchmarkOptions): Promise<Comparison[]> {
  const measure = (way: string, messages: number) => async () => {
    const command = [process.execPath, join(here, "inbox_subject.js"), way, String(messages)];
    return (await run<{ messagesPerSecond: number }>(command)).messagesPerSecond;
  };
  const title = "64 B from one thread to another";
  const results = await inTurn(options, title, {
    inbox: measure("inbox", options.events),
    // So much slower that fewer tell the same.
    post: measure("post", Math.ceil(options.events / 10)),
  });
  return [
    {
      title,
      unit: "messages/s",
      ours: { name: "a session's inbox", values: results.inbox },
      peer: { name: "postMessage", values: results.post },
      target: { of: "ratio", atLeast: 20 },
    },
  ];
}

function run<Result>(command: readonly string[], core?: number): Promise<Result> {
  return BenchProcess.run<Result>(command, { deadlineMs, ...(core !== undefined && { core }) });
}
