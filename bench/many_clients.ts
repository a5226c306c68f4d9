// Opens very many client connections from one process over shared sockets, to a server in another, and says what they
// cost: node out/bench/many_clients.js [connections], 100,000 by default. All of them are kept until the end, when each
// sends a byte that must come back.
import { readdirSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { connect, type QuicBehaviour, type QuicConnection } from "millrace/quic";
import { describeMachine } from "./machine.js";
import { type BenchServer, makeIdentity, startNode } from "./servers.js";

/** A server refuses handshakes when its workers lag, so only so many are begun at once. */
const handshakesInFlight = 48;
const echoesInFlight = 1_000;
const progressEvery = 10_000;

const count = Number(process.argv[2] ?? 100_000);
if (!Number.isInteger(count) || count < 1) throw new Error("usage: many_clients.js [connections]");

const identity = await makeIdentity();
try {
  const server = await startNode("quic_echo", identity.certificatePath, identity.privateKeyPath);
  try {
    console.log(JSON.stringify({ machine: describeMachine(), ...(await measure(server)) }, undefined, 2));
  } finally {
    await server.process.stop();
  }
} finally {
  await identity.remove();
}
process.exit(0); // the connections are not worth closing one by one

async function measure(server: BenchServer): Promise<object> {
  const before = { ours: await residentBytes(), theirs: await server.process.residentBytes() };
  const startedAt = performance.now();
  const { clients, failures, echoes } = await openAll(server.port);
  const openedMs = performance.now() - startedAt;
  const idle = { ours: await residentBytes(), theirs: await server.process.residentBytes() };
  const roundStartedAt = performance.now();
  await echoes();
  const roundMs = performance.now() - roundStartedAt;
  const perConnection = (bytes: number) => Math.round(bytes / clients.length);
  return {
    connections: clients.length,
    stillOpen: clients.filter(({ state }) => state === "open").length,
    failures,
    handshakesPerSecond: Math.round((clients.length / openedMs) * 1_000),
    seconds: Math.round(openedMs / 1_000),
    secondsUntilEachHadItsEcho: Math.round(roundMs / 100) / 10,
    sockets: new Set(clients.map(({ localAddress }) => localAddress.port)).size,
    descriptors: readdirSync("/proc/self/fd").length,
    clientBytesPerConnection: perConnection(idle.ours - before.ours),
    serverBytesPerConnection: perConnection(idle.theirs - before.theirs),
  };
}

interface Opened {
  readonly clients: readonly QuicConnection[];
  /** Connects that failed and connections that were lost, by what is said about it. */
  readonly failures: Readonly<Record<string, number>>;
  /** Sends a byte on each, some at a time; resolves when all have come back. */
  echoes(): Promise<void>;
}

async function openAll(port: number): Promise<Opened> {
  const clients: QuicConnection[] = [];
  const failures: Record<string, number> = {};
  const fail = (name: string) => {
    failures[name] = (failures[name] ?? 0) + 1;
  };
  const answered = new Map<QuicConnection, () => void>();
  const behaviour: QuicBehaviour = {
    end: ({ connection }) => answered.get(connection)?.(),
    close(connection, { error }) {
      fail(error?.name ?? "closed");
      answered.get(connection)?.();
    },
  };
  const options = {
    alpn: ["millrace-echo"],
    tls: { insecure: true },
    socket: "shared",
    idleTimeoutMs: 0,
    handshakeTimeoutMs: 60_000,
  } as const;
  await atOnce(handshakesInFlight, count, async () => {
    try {
      clients.push(await connect(`quic://127.0.0.1:${port}`, options, behaviour));
    } catch (error) {
      fail((error as Error).name);
    }
    if (clients.length % progressEvery === 0) console.error(`${clients.length} connections`);
  });
  const echo = async (index: number) => {
    const client = clients[index]!;
    if (client.state !== "open") return; // it is counted already
    const stream = client.openStream();
    stream.write(new Uint8Array(1));
    stream.end();
    await new Promise<void>((resolve) => answered.set(client, resolve));
    answered.delete(client);
  };
  return { clients, failures, echoes: () => atOnce(echoesInFlight, clients.length, echo) };
}

/** Does something `times` times, `width` of them at once. */
async function atOnce(width: number, times: number, work: (index: number) => Promise<void>): Promise<void> {
  let begun = 0;
  const one = async () => {
    while (begun < times) await work(begun++);
  };
  await Promise.all(Array.from({ length: width }, one));
}

async function residentBytes(): Promise<number> {
  globalThis.gc?.();
  const status = await readFile("/proc/self/status", "utf8");
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024;
}
