import { type Benchmark, type BenchmarkOptions, type Comparison, inTurn } from "./benchmark.js";
import { type EchoLoad, loadEcho } from "./echo.js";
import { describeServers, series } from "./load.js";
import {
  type BenchServer,
  type Identity,
  makeIdentity,
  startNode,
  startRawQuic,
  stopAll,
} from "./servers.js";

const loads: readonly EchoLoad[] = [
  { connections: 1, depth: 1, sizeBytes: 64 },
  { connections: 1, depth: 1, sizeBytes: 1024 },
  { connections: 16, depth: 64, sizeBytes: 64 },
  { connections: 16, depth: 64, sizeBytes: 1024 },
];
const ours = "millrace";
const peer = "raw msquic";

/** Raw streams through a JavaScript handler, beside a C++ server that is msquic and nothing else. */
export const quicEcho: Benchmark = {
  name: "quic-echo",
  title: "QUIC echo: raw streams through a JavaScript handler, beside raw msquic",
  async run(options) {
    const identity = await makeIdentity();
    const servers: BenchServer[] = [];
    try {
      const [mine, raw] = await startBoth(identity, servers);
      const comparisons: Comparison[] = [];
      for (const load of loads) comparisons.push(...(await compare(options, load, mine, raw)));
      return comparisons;
    } finally {
      await stopAll(servers);
      await identity.remove();
    }
  },
};

async function startBoth(identity: Identity, servers: BenchServer[]): Promise<[BenchServer, BenchServer]> {
  const mine = await startNode("quic_echo", identity.certificatePath, identity.privateKeyPath);
  servers.push(mine);
  const raw = await startRawQuic(identity);
  servers.push(raw);
  return [mine, raw];
}

async function compare(
  options: BenchmarkOptions,
  load: EchoLoad,
  mine: BenchServer,
  raw: BenchServer,
): Promise<Comparison[]> {
  const title = `${load.sizeBytes} B, ${load.connections} × ${load.depth}`;
  const results = await inTurn(options, title, {
    [ours]: () => loadEcho("quic_echo_client", mine, load, options, []),
    [peer]: () => loadEcho("quic_echo_client", raw, load, options, []),
  });
  const [of, beside] = [results[ours]!, results[peer]!];
  const pair = (field: "perSecond" | "p50Us" | "p99Us") => ({
    ours: series(ours, of, field),
    peer: series(peer, beside, field),
  });
  return [
    {
      title: `${title}: throughput`,
      unit: "messages/s",
      ...pair("perSecond"),
      target: { of: "ratio", atLeast: 0.6 },
      note: describeServers(results),
    },
    { title: `${title}: p50`, unit: "µs", ...pair("p50Us"), target: { of: "ratio", atMost: 1.5 } },
    { title: `${title}: p99`, unit: "µs", ...pair("p99Us") },
  ];
}
