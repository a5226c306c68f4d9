import { Bench } from "tinybench";
import { noCursors } from "#internal/delivery/cursors.js";
import { Inbound } from "#internal/delivery/inbound.js";
import { type Carrier, Outbound, type OutboundLimits } from "#internal/delivery/outbound.js";
import { hotHeadBytes } from "#internal/frame/codec.js";
import { type Benchmark, type BenchmarkOptions, type Comparison, inTurn } from "./benchmark.js";

const mebibyte = 1024 * 1024;
const outboundLimits: OutboundLimits = {
  highWaterMarkBytes: mebibyte,
  queueBytes: mebibyte,
  replayBytes: mebibyte,
  policy: "block",
};
const inboundLimits = { windowBytes: mebibyte, maxFrameBytes: mebibyte };
/** One call is shorter than the clock's tick. */
const callsPerSample = 1_000;
const promisedNs = 200;
const smallBytes = 16;
const largeBytes = 256;

/** A transport that costs nothing, so that all that is measured is the session's. */
class Nothing implements Carrier {
  readonly bytesQueued = 0;
  bytes = 0;

  send(head: Uint8Array, payload: Uint8Array | undefined): "sent" {
    this.bytes += head.length + (payload?.length ?? 0);
    return "sent";
  }
}

/**
 * What a session adds to a connection: a message is numbered, kept, sent and acknowledged, and one that comes is judged,
 * handled and counted for its acknowledgement, which goes with the next that is sent.
 */
export const delivery: Benchmark = {
  name: "delivery",
  title: "Session: a message out, kept until it is acknowledged, and a message in",
  async run(options) {
    const results = await inTurn(options, "delivery", {
      small: () => nanoseconds(smallBytes, options),
      large: () => nanoseconds(largeBytes, options),
    });
    return [compare(smallBytes, results.small), compare(largeBytes, results.large)];
  },
};

function compare(payloadBytes: number, values: readonly number[]): Comparison {
  return {
    title: `${payloadBytes} bytes of payload each`,
    unit: "ns",
    ours: { name: "src/delivery", values },
    peer: { name: `${promisedNs} ns for each of the two`, values: values.map(() => 2 * promisedNs) },
    target: { of: "ratio", atMost: 1 },
  };
}

/** What a message out, one in and their acknowledgements take together. */
async function nanoseconds(payloadBytes: number, options: BenchmarkOptions): Promise<number> {
  const inbound = new Inbound(inboundLimits);
  const outbound = new Outbound(outboundLimits, inbound);
  outbound.attach(new Nothing(), mebibyte, noCursors, 0);
  const payload = new Uint8Array(payloadBytes);
  const bytes = hotHeadBytes + payloadBytes;
  let sequence = 0;
  const bench = new Bench({ time: options.durationMs / 6, warmupTime: options.warmupMs / 6 });
  bench.add("messages", () => {
    for (let i = 0; i < callsPerSample; i++) {
      sequence += 1;
      const sent = outbound.sendMessage(1, payload);
      const receipt = inbound.receive(0, sequence, bytes);
      inbound.handled(0, sequence, bytes);
      const known = outbound.acknowledge(0, sequence);
      if (sent !== "sent" || receipt !== "apply" || !known) throw new Error(`${sent}, ${receipt}, ${known}`);
    }
  });
  const [task] = await bench.run();
  if (task?.result.state !== "completed") throw new Error(`delivery failed: ${JSON.stringify(task?.result)}`);
  return (task.result.latency.mean * 1e6) / callsPerSample;
}
