import { type Benchmark, type Comparison, inTurn } from "./benchmark.js";
import { describeServers, load } from "./load.js";
import { nativeProgram } from "./root.js";
import { type BenchServer, startNode, stopAll } from "./servers.js";
import { batchFlags, sessionOpening } from "./session_wire.js";

const sizeBytes = 64;
const connections = 4;
const framesOutstanding = 8;
const messagesInFrame = 32;
const promised = 1_000_000;

/** Few connections, as busy as can be: messages come in batches, each is handled and sent back by itself. */
export const sessionMillion: Benchmark = {
  name: "session-million",
  title: "Sessions, a million: messages in and out of one process over a few busy connections",
  async run(options) {
    const servers: BenchServer[] = [];
    try {
      const comparisons: Comparison[] = [];
      for (const transport of ["WebSocket", "TCP"] as const) {
        const server = await startNode(
          "session",
          transport === "TCP" ? "tcp://127.0.0.1:0" : "ws://127.0.0.1:0",
          "0",
        );
        servers.push(server);
        const client = [nativeProgram("message_echo_client"), ...sessionOpening(transport)];
        const size = ["--connections", String(connections), "--size", String(sizeBytes)];
        const measure = (depth: number, batch: number) =>
          load(client, server, options, [...size, "--depth", String(depth), ...batchFlags(sizeBytes, batch)]);
        const title = `${transport}, ${sizeBytes} B, ${connections} connections`;
        const results = await inTurn(options, title, {
          batches: () => measure(framesOutstanding, messagesInFrame),
          one: () => measure(framesOutstanding * messagesInFrame, 1),
        });
        const both = (name: string, values: readonly { perSecond: number }[]) => ({
          name,
          values: values.map(({ perSecond }) => 2 * perSecond),
        });
        comparisons.push(
          {
            ...{ title: `${title}: in and out together`, unit: "messages/s" },
            ours: both(`${messagesInFrame} come in a frame`, results.batches),
            peer: { name: "a million", values: results.batches.map(() => promised) },
            target: { of: "ratio", atLeast: 1 },
            note: describeServers(results),
          },
          {
            ...{ title: `${title}: in and out together`, unit: "messages/s" },
            ours: both(`${messagesInFrame} come in a frame`, results.batches),
            peer: both("one comes in a frame", results.one),
          },
        );
      }
      return comparisons;
    } finally {
      await stopAll(servers);
    }
  },
};
