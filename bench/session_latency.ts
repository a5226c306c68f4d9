import { type Benchmark, type BenchmarkOptions, type Comparison, inTurn } from "./benchmark.js";
import { loadEcho } from "./echo.js";
import { describeServers, type LoadResult, load, series } from "./load.js";
import { stopAll } from "./servers.js";
import { overTransports } from "./session_comparison.js";
import { ours, type Subject, sessionSubjects } from "./session_subjects.js";

const sizeBytes = 64;
/** Saturated by 16 a connection, a server takes many at a read, as it cannot at half of that by the clock. */
const saturatingDepths = [1, 16];
const promisedUs = 1_000;

/** What a message takes there and back where the server is half as busy as it can be, whenever the last one came back. */
export const sessionLatency: Benchmark = {
  name: "session-latency",
  title: "Sessions, latency: at half of what the server can do, messages sent by the clock",
  run: (options) =>
    overTransports(["WebSocket", "TCP"], (transport, identity) => {
      const [mine, floor] = sessionSubjects(transport, identity);
      return compare(options, transport, mine!, floor!);
    }),
};

async function compare(
  options: BenchmarkOptions,
  transport: string,
  mine: Subject,
  floor: Subject,
): Promise<Comparison[]> {
  const [sessions, bare] = [await mine.start(sizeBytes), await floor.start(sizeBytes)];
  const connections = options.busySessions;
  const atHalf = async ({ echo, server }: typeof sessions, depth: number): Promise<LoadResult> => {
    const most = await loadEcho(echo, server, { connections, depth, sizeBytes }, options, []);
    const rate = String(Math.max(1, Math.round(most.perSecond / 2)));
    const flags = ["--connections", String(connections), "--size", String(sizeBytes), "--rate", rate];
    return load(echo, server, options, flags);
  };
  try {
    const comparisons: Comparison[] = [];
    for (const depth of saturatingDepths) {
      const title = `${transport}, ${sizeBytes} B, at half of ${connections} × ${depth}`;
      const results = await inTurn(options, title, {
        [ours]: () => atHalf(sessions, depth),
        [floor.name]: () => atHalf(bare, depth),
      });
      comparisons.push(...compared(title, floor.name, results));
    }
    return comparisons;
  } finally {
    await stopAll([sessions.server, bare.server]);
  }
}

function compared(
  title: string,
  floor: string,
  results: Readonly<Record<string, LoadResult[]>>,
): Comparison[] {
  const of = (name: string, field: keyof LoadResult) => series(name, results[name]!, field);
  const promised = { name: "1 ms", values: results[ours]!.map(() => promisedUs) };
  return [
    {
      ...{ title: `${title}: p99`, unit: "µs", ours: of(ours, "p99Us"), peer: promised },
      target: { of: "ratio", atMost: 1 },
      note: describeServers(results),
    },
    { title: `${title}: p99`, unit: "µs", ours: of(ours, "p99Us"), peer: of(floor, "p99Us") },
    { title: `${title}: p50`, unit: "µs", ours: of(ours, "p50Us"), peer: of(floor, "p50Us") },
    {
      ...{ title: `${title}: the load`, unit: "messages/s" },
      ...{ ours: of(ours, "perSecond"), peer: of(floor, "perSecond") },
    },
  ];
}
