import { type Benchmark, type BenchmarkOptions, type Comparison, inTurn } from "./benchmark.js";
import { type EchoLoad, loadEcho } from "./echo.js";
import { frameHead } from "./frame_head.js";
import { describeServers, type LoadResult, series } from "./load.js";
import { type BenchServer, startNode, stopAll } from "./servers.js";

const connections = 100;
const sizeBytes = 64;
const scenarios = [
  { depth: 1, atLeast: 0.85 },
  { depth: 16, atLeast: 0.7 },
];

/** Framed messages through the root API, beside bare libraries that echo the same payload without a frame. */
export const webSocketEcho: Benchmark = {
  name: "websocket-echo",
  title: "WebSocket echo: messages through the root API, beside bare uWebSockets.js and ws",
  async run(options) {
    const servers: BenchServer[] = [];
    const started = async (name: string, ...arguments_: string[]) => {
      servers.push(await startNode(name, ...arguments_));
      return servers.at(-1)!;
    };
    try {
      const mine = await started("millrace", "ws://127.0.0.1:0");
      const uws = await started("uws_bare");
      const ws = await started("ws_bare");
      const comparisons: Comparison[] = [];
      for (const { depth, atLeast } of scenarios) {
        comparisons.push(...(await compare(options, depth, atLeast, { mine, uws, ws })));
      }
      return comparisons;
    } finally {
      await stopAll(servers);
    }
  },
};

async function compare(
  options: BenchmarkOptions,
  depth: number,
  atLeast: number,
  servers: Readonly<Record<"mine" | "uws" | "ws", BenchServer>>,
): Promise<Comparison[]> {
  const load: EchoLoad = { connections, depth, sizeBytes };
  const title = `${sizeBytes} B, ${connections} × ${depth}`;
  const framed = ["--subprotocol", "millrace.v1", "--head", frameHead(sizeBytes)];
  const results = await inTurn(options, title, {
    millrace: () => loadEcho("message_echo_client", servers.mine, load, options, framed),
    "uWebSockets.js": () => loadEcho("message_echo_client", servers.uws, load, options, []),
    ws: () => loadEcho("message_echo_client", servers.ws, load, options, []),
  });
  const beside = (peer: "uWebSockets.js" | "ws", field: keyof LoadResult) => ({
    ours: series("millrace", results.millrace, field),
    peer: series(peer, results[peer], field),
  });
  return [
    {
      title: `${title}: throughput`,
      unit: "messages/s",
      ...beside("uWebSockets.js", "perSecond"),
      target: { of: "ratio", atLeast },
      note: describeServers(results),
    },
    { title: `${title}: p50`, unit: "µs", ...beside("uWebSockets.js", "p50Us") },
    { title: `${title}: p99`, unit: "µs", ...beside("uWebSockets.js", "p99Us") },
    { title: `${title}: throughput`, unit: "messages/s", ...beside("ws", "perSecond") },
  ];
}
