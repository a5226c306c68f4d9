import type { Benchmark, BenchmarkOptions, Comparison, Target } from "./benchmark.js";
import { type LoadResult, load } from "./load.js";
import type { Identity } from "./servers.js";
import { beside, overTransports, type Row, withServers } from "./session_comparison.js";
import { type SessionTransport, sessionSubjects, sessions } from "./session_subjects.js";

const sizeBytes = 64;
const inFlight = 16;

/** Connect, authenticate, send a message and have its answer, again and again. */
export const sessionConnect: Benchmark = {
  name: "session-connect",
  title: "Sessions, connecting: connect, authenticate, and the first answer",
  run: (options) =>
    overTransports(["WebSocket", "TCP"], (transport, identity) => compare(options, transport, identity)),
};

async function compare(
  options: BenchmarkOptions,
  transport: SessionTransport,
  identity: Identity,
): Promise<Comparison[]> {
  // The clients cut their connections; a session that waited to be resumed would be one more each time.
  const [, ...peers] = sessionSubjects(transport, identity);
  return withServers(sizeBytes, (serverOf) =>
    beside(
      options,
      `${transport}, ${inFlight} at a time`,
      [sessions(transport, identity, 0), ...peers],
      async (subject) => {
        const { connect, server } = await serverOf(subject);
        const flags = ["--connections", String(inFlight), "--size", String(sizeBytes)];
        return load(connect!, server, options, flags);
      },
      rows,
    ),
  );
}

const rows: readonly Row<LoadResult>[] = [
  {
    title: "connections",
    unit: "connections/s",
    value: ({ perSecond }) => perSecond,
    target: (peer): Target | undefined =>
      peer === "msgtrans" || peer === "flare-core" ? { of: "ratio", atLeast: 1 } : undefined,
  },
  { title: "p99", unit: "µs", value: ({ p99Us }) => p99Us },
  { title: "server's CPU time", unit: "µs/connection", value: ({ serverCpuUs }) => serverCpuUs },
];
