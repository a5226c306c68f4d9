import { join } from "node:path";
import { type Benchmark, type Comparison, inTurn } from "./benchmark.js";
import { describeServers, type LoadResult, load, series } from "./load.js";
import { BenchProcess } from "./process.js";
import { nativeProgram, root } from "./root.js";
import { type BenchServer, stopAll } from "./servers.js";
import { sessionFlags, sessionOpening } from "./session_wire.js";

const sizeBytes = 1024;
const depth = 16;
const subjects = [
  { subject: "echo", title: "requests that are sent back" },
  { subject: "echo.work", title: "requests that take some ten µs of computing" },
];

/** One server in one thread and in two. Its threads and the client share all cores: on two, two threads get no whole one each. */
export const sessionThreads: Benchmark = {
  name: "session-threads",
  title: "Sessions, threads: two beside one, the server on all cores with its client",
  async run(options) {
    const servers: BenchServer[] = [];
    try {
      const [one, two] = [await start(1), await start(2)];
      servers.push(one, two);
      const comparisons: Comparison[] = [];
      const connections = options.busySessions;
      for (const { subject, title } of subjects) {
        const whole = `WebSocket, ${sizeBytes} B, ${connections} × ${depth}, ${title}`;
        const client = [
          nativeProgram("message_echo_client"),
          ...sessionOpening("WebSocket"),
          ...sessionFlags(sizeBytes, subject),
          ...["--connections", String(connections), "--depth", String(depth), "--size", String(sizeBytes)],
        ];
        const results = await inTurn(options, whole, {
          "two threads": () => load(client, two, options, []),
          "one thread": () => load(client, one, options, []),
        });
        const pair = (field: keyof LoadResult) => ({
          ours: series("two threads", results["two threads"], field),
          peer: series("one thread", results["one thread"], field),
        });
        comparisons.push(
          { title: whole, unit: "requests/s", ...pair("perSecond"), note: describeServers(results) },
          { title: `${whole}: p99`, unit: "µs", ...pair("p99Us") },
        );
      }
      return comparisons;
    } finally {
      await stopAll(servers);
    }
  },
};

async function start(threads: number): Promise<BenchServer> {
  const program = join(root, "out", "bench", "servers", "session_threads.js");
  const started = await BenchProcess.start<{ port: number }>(
    [process.execPath, program, String(threads)],
    {},
  );
  return { process: started.process, port: started.ready.port };
}
