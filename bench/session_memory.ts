import type { Benchmark, BenchmarkOptions, Comparison, Target } from "./benchmark.js";
import { type Footprint, footprint } from "./footprint.js";
import { frameHead, lanePrefix } from "./frame_head.js";
import { nativeProgram } from "./root.js";
import { type BenchServer, type Identity, startNode } from "./servers.js";
import { beside, overTransports, type Row } from "./session_comparison.js";
import { type Loaded, type SessionTransport, type Subject, sessionSubjects } from "./session_subjects.js";

const sizeBytes = 64;
const burstMessages = 16;
const promisedBytes = 600;
const plain = "the same transport without sessions";
const overTcp = Buffer.from("MILLRACE millrace/1\n").toString("hex");

/** Sessions that have authenticated and exchanged some messages, and rest; beside connections that did the same. */
export const sessionMemory: Benchmark = {
  name: "session-memory",
  title: "Sessions, memory: resident bytes of the server for each idle session",
  run: (options) =>
    overTransports(["WebSocket", "TCP", "QUIC"], (transport, identity) =>
      compare(options, transport, identity),
    ),
};

async function compare(
  options: BenchmarkOptions,
  transport: SessionTransport,
  identity: Identity,
): Promise<Comparison[]> {
  const connections = transport === "QUIC" ? options.idleConnections : options.idleSessions;
  const [ours, , ...others] = sessionSubjects(transport, identity);
  const peers = others.filter(({ name }) => name !== "ws");
  const both = [ours!, withoutSessions(transport, identity)];
  const run = (title: string, subjects: readonly Subject[], burst: number) =>
    beside(
      options,
      `${transport}, ${connections} ${title}`,
      subjects,
      (subject) => measure(subject, connections, burst),
      rows,
    );
  return [
    // Over QUIC a connection that has sent nothing is none of messages.
    ...(transport === "QUIC" ? [] : await run("that have sent nothing", both, 0)),
    ...(await run(`after a burst of ${burstMessages}`, [...both, ...peers], burstMessages)),
  ];
}

/** Messages through the root API: what a session is put on. */
function withoutSessions(transport: SessionTransport, identity: Identity): Subject {
  const start = async (): Promise<Loaded> => {
    if (transport === "WebSocket") return loaded(await startNode("millrace", "ws://127.0.0.1:0"), websocket);
    if (transport === "TCP") return loaded(await startNode("millrace", "tcp://127.0.0.1:0"), tcp);
    const files = [identity.certificatePath, identity.privateKeyPath];
    return loaded(await startNode("millrace", "quic://127.0.0.1:0", ...files), quic);
  };
  return { name: plain, node: true, start };
}

const head = ["--head", frameHead(sizeBytes)];
const websocket = [nativeProgram("message_idle_client"), "--subprotocol", "millrace.v1", ...head];
const tcp = [
  nativeProgram("message_idle_client"),
  "--framing",
  "sized",
  "--opening",
  `=${overTcp},/`,
  ...head,
];
const quic = [nativeProgram("quic_idle_client"), "--alpn", "millrace/1", "--prefix", lanePrefix(), ...head];

function loaded(server: BenchServer, idle: readonly string[]): Loaded {
  return {
    server,
    echo: idle,
    idle: (burst) => [...idle, "--burst", String(burst), "--size", String(sizeBytes)],
  };
}

/** A QUIC connection of msquic's has four descriptors, and a process 20,000. */
const eachHolds = 4_500;

async function measure(subject: Subject, connections: number, burst: number): Promise<Footprint> {
  const { server, idle } = await subject.start(sizeBytes);
  const held = { start: async () => server, node: subject.node, client: idle(burst), eachHolds };
  return footprint(held, connections);
}

const rows: readonly Row<Footprint>[] = [
  { title: "each after the first tenth", unit: "bytes", value: ({ further }) => further, target },
  { title: "all, by their number", unit: "bytes", value: ({ average }) => average },
];

function target(peer: string): Target | undefined {
  if (peer === plain) return { of: "difference", atMost: promisedBytes };
  return peer === "msgtrans" || peer === "flare-core" ? { of: "ratio", atMost: 1 } : undefined;
}
