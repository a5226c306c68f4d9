import type { Benchmark } from "./benchmark.js";
import { runAnswerLoads } from "./quic_answer.js";

/** One stream to a JavaScript reader, as fast as it goes. */
export const quicBulk: Benchmark = {
  name: "quic-bulk",
  title: "QUIC bulk: one stream to a JavaScript reader",
  run: (options) =>
    runAnswerLoads(options, [
      {
        title: "one stream",
        client: "quic_bulk_client",
        flags: [],
        unit: "MiB/s",
        atLeast: 0.8,
        operation: "MiB",
        operationsPerUnit: 1024 * 1024,
        latencies: false,
        peers: ["quinn", "@matrixai/quic"],
      },
    ]),
};
