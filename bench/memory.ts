import { setTimeout as delay } from "node:timers/promises";
import { type Benchmark, type BenchmarkOptions, type Comparison, inTurn } from "./benchmark.js";
import { frameHead, lanePrefix } from "./frame_head.js";
import { clientCore } from "./pinning.js";
import { BenchProcess } from "./process.js";
import { nativeProgram } from "./root.js";
import { type BenchServer, type Identity, makeIdentity, startNode, startRawQuic } from "./servers.js";

const burstMessages = 16;
const sizeBytes = 64;
/** The first tenth is counted apart: it pays what a server needs once, however many connections follow. */
const firstShare = 0.1;
const connectDeadlineMs = 180_000;
/** What a server does late (free what a handshake needed, shrink a pool) is to be done before we look. */
const settleMs = 1_000;

/** What one connection cost a server, in bytes of resident memory. */
interface Footprint {
  /** All connections, with what the server needed once. */
  readonly average: number;
  /** Those after the first tenth. */
  readonly further: number;
}

interface Subject {
  start(): Promise<BenchServer>;
  /** Whether it is a Node process, which collects its garbage before it is looked at. */
  readonly node: boolean;
  readonly client: "quic_idle_client" | "message_idle_client";
  readonly flags: readonly string[];
}

export const memory: Benchmark = {
  name: "memory",
  title: "Memory: resident bytes of the server for each idle connection",
  async run(options) {
    const identity = await makeIdentity();
    try {
      return [...(await compareQuic(options, identity)), ...(await compareWebSocket(options))];
    } finally {
      await identity.remove();
    }
  },
};

const burst = ["--burst", String(burstMessages), "--size", String(sizeBytes)];
const framed = ["--head", frameHead(sizeBytes), ...burst];

async function compareQuic(options: BenchmarkOptions, identity: Identity): Promise<Comparison[]> {
  const files = [identity.certificatePath, identity.privateKeyPath];
  const mine: Subject = {
    start: () => startNode("millrace", "quic://127.0.0.1:0", ...files),
    node: true,
    client: "quic_idle_client",
    flags: ["--alpn", "millrace/1", "--prefix", lanePrefix(), ...framed],
  };
  const raw: Subject = {
    start: () => startRawQuic(identity),
    node: false,
    client: "quic_idle_client",
    flags: [],
  };
  const bare: Subject = { ...raw, start: () => startNode("quic_echo", ...files), node: true };
  const title = `QUIC, ${options.idleConnections} connections`;
  const results = await inTurn(options, title, {
    burst: () => measure(mine, options),
    bare: () => measure(bare, options),
    raw: () => measure(raw, options),
  });
  const names = { burst: "millrace, after a burst", bare: "millrace/quic, bare" };
  const pair = (subject: keyof typeof names, field: keyof Footprint) => ({
    ours: { name: names[subject], values: results[subject].map((each) => each[field]) },
    peer: { name: "raw msquic, bare", values: results.raw.map((each) => each[field]) },
  });
  return [
    { title, unit: "bytes", ...pair("bare", "average"), target: { of: "ratio", atMost: 1.1 } },
    { title: `${title}, after the first tenth`, unit: "bytes", ...pair("bare", "further") },
    { title, unit: "bytes", ...pair("burst", "average"), target: { of: "ratio", atMost: 1.15 } },
    { title: `${title}, after the first tenth`, unit: "bytes", ...pair("burst", "further") },
  ];
}

async function compareWebSocket(options: BenchmarkOptions): Promise<Comparison[]> {
  const mine: Subject = {
    start: () => startNode("millrace", "ws://127.0.0.1:0"),
    node: true,
    client: "message_idle_client",
    flags: ["--subprotocol", "millrace.v1", ...framed],
  };
  const bare: Subject = {
    start: () => startNode("uws_bare"),
    node: true,
    client: "message_idle_client",
    flags: burst,
  };
  const title = `WebSocket, ${options.idleConnections} connections`;
  const results = await inTurn(options, title, {
    millrace: () => measure(mine, options),
    "uWebSockets.js": () => measure(bare, options),
  });
  const pair = (field: keyof Footprint) => ({
    ours: { name: "millrace", values: results.millrace.map((each) => each[field]) },
    peer: { name: "uWebSockets.js", values: results["uWebSockets.js"].map((each) => each[field]) },
  });
  return [
    { title, unit: "bytes", ...pair("average"), target: { of: "difference", atMost: 1536 } },
    { title: `${title}, after the first tenth`, unit: "bytes", ...pair("further") },
  ];
}

async function measure(subject: Subject, options: BenchmarkOptions): Promise<Footprint> {
  const first = Math.ceil(options.idleConnections * firstShare);
  const rest = options.idleConnections - first;
  const server = await subject.start();
  const clients: BenchProcess[] = [];
  try {
    const before = await residentBytes(subject, server);
    clients.push(await hold(subject, server, first));
    const between = await residentBytes(subject, server);
    clients.push(await hold(subject, server, rest));
    const after = await residentBytes(subject, server);
    return { average: (after - before) / options.idleConnections, further: (after - between) / rest };
  } finally {
    await server.process.stop();
    await Promise.all(clients.map((client) => client.stop()));
  }
}

/** Resolves once so many connections are idle; they last as long as the client. */
async function hold(subject: Subject, server: BenchServer, connections: number): Promise<BenchProcess> {
  const command = [nativeProgram(subject.client), "--port", String(server.port)];
  command.push("--connections", String(connections), ...subject.flags);
  const options = { core: clientCore, deadlineMs: connectDeadlineMs };
  return (await BenchProcess.start(command, options)).process;
}

async function residentBytes(subject: Subject, server: BenchServer): Promise<number> {
  await delay(settleMs);
  if (subject.node) await server.process.ask("gc");
  return server.process.residentBytes();
}
