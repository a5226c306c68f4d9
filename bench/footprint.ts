import { setTimeout as delay } from "node:timers/promises";
import { clientCore } from "./pinning.js";
import { BenchProcess } from "./process.js";
import type { BenchServer } from "./servers.js";

/** The first tenth is counted apart: it pays what a server needs once, however many connections follow. */
const firstShare = 0.1;
const connectDeadlineMs = 180_000;
/** What a server does late (free what a handshake needed, shrink a pool) is to be done before we look. */
const settleMs = 1_000;

/** What one connection cost a server, in bytes of resident memory. */
export interface Footprint {
  /** All connections, with what the server needed once. */
  readonly average: number;
  /** Those after the first tenth. */
  readonly further: number;
}

/** A server, and how connections to it are held idle. */
export interface Held {
  start(): Promise<BenchServer>;
  /** Whether it is a Node process, which collects its garbage before it is looked at. */
  readonly node: boolean;
  /** The program that holds them, with its flags. */
  readonly client: readonly string[];
  /** How many one process of that program can hold, by its open files; all, by default. */
  readonly eachHolds?: number;
}

/** Starts the server, opens so many connections to it, and stops both. */
export async function footprint(subject: Held, connections: number): Promise<Footprint> {
  const first = Math.ceil(connections * firstShare);
  const rest = connections - first;
  const server = await subject.start();
  const clients: BenchProcess[] = [];
  try {
    const before = await residentBytes(subject, server);
    await hold(subject, server, first, clients);
    const between = await residentBytes(subject, server);
    await hold(subject, server, rest, clients);
    const after = await residentBytes(subject, server);
    return { average: (after - before) / connections, further: (after - between) / rest };
  } finally {
    await server.process.stop();
    await Promise.all(clients.map((client) => client.stop()));
  }
}

/** Resolves once so many connections are idle; they last as long as the clients that are added. */
async function hold(
  subject: Held,
  server: BenchServer,
  connections: number,
  clients: BenchProcess[],
): Promise<void> {
  const options = { core: clientCore, deadlineMs: connectDeadlineMs };
  const most = subject.eachHolds ?? connections;
  for (let left = connections; left > 0; left -= most) {
    const share = String(Math.min(left, most));
    const command = [...subject.client, "--port", String(server.port), "--connections", share];
    clients.push((await BenchProcess.start(command, options)).process);
  }
}

async function residentBytes(subject: Held, server: BenchServer): Promise<number> {
  await delay(settleMs);
  if (subject.node) await server.process.ask("gc");
  return server.process.residentBytes();
}
