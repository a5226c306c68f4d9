import { access } from "node:fs/promises";
import { join } from "node:path";
import { type BenchmarkOptions, type Comparison, inTurn, type Target } from "./benchmark.js";
import { describeServers, type LoadResult, load, series } from "./load.js";
import { root } from "./root.js";
import {
  type BenchServer,
  type Identity,
  makeIdentity,
  startNode,
  startRawQuic,
  startServer,
  stopAll,
} from "./servers.js";

const alpn = "millrace-bench";
const requestBytes = 512;
const answerBytes = 4096;

/** A load for the servers of bench/native/answer.h: ours, the floor, and other libraries. */
export interface AnswerLoad {
  readonly title: string;
  readonly client:
    | "quic_bulk_client"
    | "quic_datagram_client"
    | "quic_handshake_client"
    | "quic_request_client";
  readonly flags: readonly string[];
  /** What is counted, such as "requests/s". */
  readonly unit: string;
  /** What of the floor's throughput ours is to reach, where that was promised. */
  readonly atLeast?: number;
  /** What one CPU time is for, such as "request"; bytes are counted by the MiB. */
  readonly operation: string;
  readonly operationsPerUnit?: number;
  readonly latencies: boolean;
  /** Whose server can do it. */
  readonly peers: readonly Peer[];
}

type Peer = "quinn" | "@matrixai/quic";
const ours = "millrace";
const floor = "raw msquic";

/** Puts our server, the floor and those peers that are installed under the same loads. */
export async function runAnswerLoads(
  options: BenchmarkOptions,
  loads: readonly AnswerLoad[],
): Promise<Comparison[]> {
  const identity = await makeIdentity();
  const files = [identity.certificatePath, identity.privateKeyPath];
  const servers: BenchServer[] = [];
  const started = async (server: Promise<BenchServer>) => {
    servers.push(await server);
    return servers.at(-1)!;
  };
  try {
    const mine = await started(startNode("quic_answer", ...files));
    const raw = await started(startRawQuic(identity, "quic_answer_server"));
    const peers = await startPeers(identity, loads, started);
    const comparisons: Comparison[] = [];
    for (const each of loads) comparisons.push(...(await compare(options, each, { mine, raw, peers })));
    return comparisons;
  } finally {
    await stopAll(servers);
    await identity.remove();
  }
}

/** A peer's server, or why there is none: what is optional fails no run. */
type PeerServers = Map<Peer, BenchServer | string>;

async function startPeers(
  identity: Identity,
  loads: readonly AnswerLoad[],
  started: (server: Promise<BenchServer>) => Promise<BenchServer>,
): Promise<PeerServers> {
  const { certificatePath, privateKeyPath } = identity;
  const quinn = join(root, "test", "interop", "quinn", "target", "optimized", "millrace-quinn");
  const matrixai = join(root, "bench", "peers", "node_modules", "@matrixai", "quic", "package.json");
  const commands: Record<Peer, { needs: string; command: string[] }> = {
    quinn: {
      needs: quinn,
      command: [
        ...[quinn, "bench-server", "--alpn", alpn, "--cert", certificatePath, "--key", privateKeyPath],
        ...[
          "--request-bytes",
          String(requestBytes),
          "--answer-bytes",
          String(answerBytes),
          "--echo-datagrams",
        ],
      ],
    },
    "@matrixai/quic": {
      needs: matrixai,
      command: [
        ...[process.execPath, join(root, "bench", "peers", "matrixai_quic.js")],
        ...[certificatePath, privateKeyPath],
      ],
    },
  };
  const servers: PeerServers = new Map();
  for (const peer of new Set(loads.flatMap(({ peers }) => peers))) {
    const { needs, command } = commands[peer];
    const installed = await access(needs).then(
      () => true,
      () => false,
    );
    servers.set(peer, installed ? await started(startServer(command)) : "not installed");
  }
  return servers;
}

async function compare(
  options: BenchmarkOptions,
  answerLoad: AnswerLoad,
  servers: { readonly mine: BenchServer; readonly raw: BenchServer; readonly peers: PeerServers },
): Promise<Comparison[]> {
  const { title, client, flags, unit, atLeast, operation, operationsPerUnit = 1 } = answerLoad;
  const measure = (server: BenchServer) => load(client, server, options, flags);
  const failed = new Map<string, string>();
  const subjects: Record<string, () => Promise<LoadResult | undefined>> = {
    [ours]: () => measure(servers.mine),
    [floor]: () => measure(servers.raw),
  };
  for (const peer of answerLoad.peers) {
    const server = servers.peers.get(peer)!;
    if (typeof server === "string") failed.set(peer, server);
    else {
      subjects[peer] = () =>
        measure(server).catch((cause: unknown) => {
          failed.set(peer, cause instanceof Error ? cause.message : String(cause));
          return undefined;
        });
    }
  }
  const all = await inTurn(options, title, subjects);
  const results: Record<string, LoadResult[]> = {};
  for (const [name, values] of Object.entries(all)) {
    if (!failed.has(name)) results[name] = values.filter((value) => value !== undefined);
  }
  const beside = (peer: string, field: keyof LoadResult, perUnit = 1) => ({
    ours: scaled(series(ours, results[ours]!, field), perUnit),
    peer: scaled(series(peer, results[peer]!, field), perUnit),
  });
  const target: { target?: Target } = atLeast === undefined ? {} : { target: { of: "ratio", atLeast } };
  const note = [describeServers(results), ...Array.from(failed, ([name, why]) => `${name}: ${why}`)].join(
    "; ",
  );
  const comparisons: Comparison[] = [
    { title, unit, ...beside(floor, "perSecond", 1 / operationsPerUnit), ...target, note },
    {
      title: `${title}: server's CPU time`,
      unit: `µs/${operation}`,
      ...beside(floor, "serverCpuUs", operationsPerUnit),
    },
  ];
  if (answerLoad.latencies) {
    comparisons.push({ title: `${title}: p50`, unit: "µs", ...beside(floor, "p50Us") });
    comparisons.push({ title: `${title}: p99`, unit: "µs", ...beside(floor, "p99Us") });
  }
  for (const peer of answerLoad.peers) {
    if (results[peer] !== undefined)
      comparisons.push({ title, unit, ...beside(peer, "perSecond", 1 / operationsPerUnit) });
  }
  return comparisons;
}

function scaled(
  { name, values }: { name: string; values: number[] },
  by: number,
): { name: string; values: number[] } {
  return { name, values: values.map((value) => value * by) };
}
