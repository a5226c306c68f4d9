import type { Benchmark, BenchmarkOptions, Comparison, Target } from "./benchmark.js";
import { type LoadResult, load } from "./load.js";
import type { Identity } from "./servers.js";
import { beside, overTransports, type Row, withServers } from "./session_comparison.js";
import { type Loaded, type SessionTransport, sessionSubjects } from "./session_subjects.js";

const sizeBytes = 64;
const depth = 16;
const kinds = [
  { title: "handlers that answer at once", of: "request" },
  { title: "async handlers", of: "requestLater" },
] as const;

/** Requests by subject with their answers, beside those of others that have them. */
export const sessionRequests: Benchmark = {
  name: "session-requests",
  title: "Sessions, requests: by subject, each with its answer",
  run: (options) =>
    overTransports(["WebSocket", "TCP"], (transport, identity) => compare(options, transport, identity)),
};

/** Those that have requests. */
const peers: readonly string[] = ["millrace sessions", "Socket.IO", "msgtrans"];

async function compare(
  options: BenchmarkOptions,
  transport: SessionTransport,
  identity: Identity,
): Promise<Comparison[]> {
  const subjects = sessionSubjects(transport, identity).filter(({ name }) => peers.includes(name));
  const connections = options.busySessions;
  return withServers(sizeBytes, async (serverOf) => {
    const comparisons: Comparison[] = [];
    for (const { title, of } of kinds) {
      const whole = `${transport}, ${sizeBytes} B, ${connections} × ${depth}, ${title}`;
      const measured = await beside(
        options,
        whole,
        subjects,
        async (subject) => {
          const loaded = await serverOf(subject);
          return load(requestOf(loaded, of), loaded.server, options, [
            ...["--connections", String(connections), "--depth", String(depth), "--size", String(sizeBytes)],
          ]);
        },
        rows,
      );
      comparisons.push(...measured);
    }
    return comparisons;
  });
}

function requestOf(loaded: Loaded, of: "request" | "requestLater"): readonly string[] {
  const command = loaded[of];
  if (command === undefined) throw new Error("it has no requests");
  return command;
}

const rows: readonly Row<LoadResult>[] = [
  {
    title: "throughput",
    unit: "requests/s",
    value: ({ perSecond }) => perSecond,
    target: (peer): Target | undefined => (peer === "msgtrans" ? { of: "ratio", atLeast: 1 } : undefined),
  },
  { title: "p99", unit: "µs", value: ({ p99Us }) => p99Us },
];
