import type { Benchmark } from "./benchmark.js";
import { runAnswerLoads } from "./quic_answer.js";

/** A stream for each request, 100 at a time on one connection. */
export const quicRequests: Benchmark = {
  name: "quic-requests",
  title: "QUIC requests: 512 B and an answer of 4 KiB, each on a stream of its own",
  run: (options) =>
    runAnswerLoads(
      options,
      [100, 1].map((depth) => ({
        title: `${depth} at a time`,
        client: "quic_request_client" as const,
        flags: ["--depth", String(depth), "--size", "512", "--answer", "4096"],
        unit: "requests/s",
        ...(depth === 100 && { atLeast: 0.7 }),
        operation: "request",
        latencies: true,
        peers: ["quinn", "@matrixai/quic"] as const,
      })),
    ),
};
