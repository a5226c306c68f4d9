import { type Benchmark, type BenchmarkOptions, type Comparison, inTurn } from "./benchmark.js";
import { loadEcho } from "./echo.js";
import { describeServers, type LoadResult, load, series } from "./load.js";
import { makeIdentity, stopAll } from "./servers.js";
import { ours, type Subject, sessionSubjects } from "./session_subjects.js";

const sizeBytes = 64;
const saturatingDepth = 16;
const promisedUs = 1_000;

/** What a message takes there and back where the server is half as busy as it can be, whenever the last one came back. */
export const sessionLatency: Benchmark = {
  name: "session-latency",
  title: "Sessions, latency: at half of what the server can do, messages sent by the clock",
  async run(options) {
    const identity = await makeIdentity();
    try {
      const comparisons: Comparison[] = [];
      for (const transport of ["WebSocket", "TCP"] as const) {
        const [mine, floor] = sessionSubjects(transport, identity);
        comparisons.push(...(await compare(options, transport, mine!, floor!)));
      }
      return comparisons;
    } finally {
      await identity.remove();
    }
  },
};

async function compare(
  options: BenchmarkOptions,
  transport: string,
  mine: Subject,
  floor: Subject,
): Promise<Comparison[]> {
  const [sessions, bare] = [await mine.start(sizeBytes), await floor.start(sizeBytes)];
  const connections = options.busySessions;
  const title = `${transport}, ${sizeBytes} B, ${connections} connections`;
  const atHalf = async ({ echo, server }: typeof sessions): Promise<LoadResult> => {
    const most = await loadEcho(
      echo,
      server,
      { connections, depth: saturatingDepth, sizeBytes },
      options,
      [],
    );
    const rate = String(Math.max(1, Math.round(most.perSecond / 2)));
    const flags = ["--connections", String(connections), "--size", String(sizeBytes), "--rate", rate];
    return load(echo, server, options, flags);
  };
  try {
    const results = await inTurn(options, title, {
      [ours]: () => atHalf(sessions),
      [floor.name]: () => atHalf(bare),
    });
    const of = (name: string, field: keyof LoadResult) => series(name, results[name]!, field);
    const promised = { name: "1 ms", values: results[ours]!.map(() => promisedUs) };
    return [
      {
        ...{ title: `${title}: p99`, unit: "µs", ours: of(ours, "p99Us"), peer: promised },
        target: { of: "ratio", atMost: 1 },
        note: describeServers(results),
      },
      { title: `${title}: p99`, unit: "µs", ours: of(ours, "p99Us"), peer: of(floor.name, "p99Us") },
      { title: `${title}: p50`, unit: "µs", ours: of(ours, "p50Us"), peer: of(floor.name, "p50Us") },
      {
        ...{ title: `${title}: the load`, unit: "messages/s" },
        ...{ ours: of(ours, "perSecond"), peer: of(floor.name, "perSecond") },
      },
    ];
  } finally {
    await stopAll([sessions.server, bare.server]);
  }
}
