import type { Benchmark } from "./benchmark.js";
import { runAnswerLoads } from "./quic_answer.js";

/** Connections that are closed as soon as they are open. */
export const quicHandshakes: Benchmark = {
  name: "quic-handshakes",
  title: "QUIC handshakes: full ones, P-256, each connection closed as soon as it is open",
  run: (options) =>
    runAnswerLoads(options, [
      {
        title: "16 at a time",
        client: "quic_handshake_client",
        flags: ["--connections", "16"],
        unit: "handshakes/s",
        atLeast: 0.9,
        operation: "handshake",
        latencies: true,
        peers: ["quinn", "@matrixai/quic"],
      },
    ]),
};
