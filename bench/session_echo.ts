import type { Benchmark, BenchmarkOptions, Comparison, Target } from "./benchmark.js";
import { loadEcho } from "./echo.js";
import type { LoadResult } from "./load.js";
import type { Identity } from "./servers.js";
import { beside, overTransports, type Row, withServers } from "./session_comparison.js";
import { type SessionTransport, sessionSubjects } from "./session_subjects.js";

const sizes = [64, 1024];
const depths = [1, 16];

/** Messages through a session's handler, beside floors, and libraries that promise what sessions do. */
export const sessionEcho: Benchmark = {
  name: "session-echo",
  title: "Sessions, echo: through a session's handler over each transport",
  run: (options) =>
    overTransports(["WebSocket", "TCP", "QUIC"], async (transport, identity) => {
      const comparisons: Comparison[] = [];
      for (const sizeBytes of sizes)
        comparisons.push(...(await compare(options, transport, sizeBytes, identity)));
      return comparisons;
    }),
};

async function compare(
  options: BenchmarkOptions,
  transport: SessionTransport,
  sizeBytes: number,
  identity: Identity,
): Promise<Comparison[]> {
  const subjects = sessionSubjects(transport, identity);
  const connections = options.busySessions;
  return withServers(sizeBytes, async (serverOf) => {
    const comparisons: Comparison[] = [];
    for (const depth of depths) {
      const measured = await beside(
        options,
        `${transport}, ${sizeBytes} B, ${connections} × ${depth}`,
        subjects,
        async (subject) => {
          const { echo, server } = await serverOf(subject);
          return loadEcho(echo, server, { connections, depth, sizeBytes }, options, []);
        },
        rows(depth),
      );
      comparisons.push(...measured);
    }
    return comparisons;
  });
}

function rows(depth: number): readonly Row<LoadResult>[] {
  return [
    {
      title: "throughput",
      unit: "messages/s",
      value: (result) => result.perSecond,
      target: (peer) => throughputTarget(peer, depth),
    },
    {
      title: "p99",
      unit: "µs",
      value: (result) => result.p99Us,
      target: (peer) => (isCrate(peer) ? { of: "ratio", atMost: 1 } : undefined),
    },
  ];
}

function throughputTarget(peer: string, depth: number): Target | undefined {
  if (isCrate(peer)) return { of: "ratio", atLeast: 1 };
  if (peer === "node:net") return { of: "ratio", atLeast: 0.6 };
  if (depth < 16) return undefined;
  if (peer === "Socket.IO") return { of: "ratio", atLeast: 5 };
  return peer === "uWebSockets.js" ? { of: "ratio", atLeast: 0.6 } : undefined;
}

function isCrate(peer: string): boolean {
  return peer === "msgtrans" || peer === "flare-core";
}
