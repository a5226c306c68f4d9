import type { Benchmark } from "./benchmark.js";
import { runAnswerLoads } from "./quic_answer.js";

/** Datagrams that a JavaScript handler sends back. */
export const quicDatagrams: Benchmark = {
  name: "quic-datagrams",
  title: "QUIC datagrams: sent back by a JavaScript handler",
  run: (options) =>
    runAnswerLoads(
      options,
      [64, 1000].map((sizeBytes) => ({
        title: `${sizeBytes} B, 16 × 64`,
        client: "quic_datagram_client" as const,
        flags: ["--connections", "16", "--depth", "64", "--size", String(sizeBytes)],
        unit: "datagrams/s",
        atLeast: 0.7,
        operation: "datagram",
        latencies: true,
        peers: ["quinn"] as const,
      })),
    ),
};
