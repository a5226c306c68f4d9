import { type ClientSession, connect } from "../client/index.js";
import type { MillraceError } from "../index.js";
import type { ServerIdentity } from "./identity.js";
import { RoomServer } from "./room_server.js";
import { subjects } from "./room_words.js";
import { colours, formatTable, printJson } from "./terminal.js";

const roundTrips = 1_000;
/** Before the measurement: code gets compiled, congestion windows open. */
const warmUpRoundTrips = 200;
/** Everything, for one transport. */
const deadlineMs = 20_000;

/** What one client saw. */
interface Measurement {
  readonly transport: string;
  readonly handshakeMs: number;
  readonly roundTrips: number;
  readonly p50Us: number;
  readonly p99Us: number;
}

interface Failure {
  readonly transport: string;
  readonly error: string;
  readonly message: string;
}

/** Starts the room's server on free ports, and measures a client over each transport, one after the other. */
export async function runOnce(
  { tls }: ServerIdentity,
  { host, json }: { readonly host: string; readonly json?: boolean },
): Promise<void> {
  // The measuring client sends as fast as it gets answers, which the room would take for a flood.
  const server = await RoomServer.start({
    host,
    port: 0,
    httpPort: 0,
    tcpPort: 0,
    tls,
    settings: { messagesPerSecond: 1e6 },
  });
  const measurements: Measurement[] = [];
  const failures: Failure[] = [];
  try {
    for (const transport of ["quic", "wss", "ws", "tcp"] as const) {
      try {
        measurements.push(await measure(transport, server.urls[transport], tls.certificate));
      } catch (cause) {
        const { code, name, message } = cause as MillraceError;
        failures.push({ transport, error: code ?? name, message });
      }
    }
  } finally {
    await server.close();
  }
  if (json) printJson({ measurements, failures });
  else printTable(measurements, failures);
  if (failures.length > 0) process.exitCode = 1;
}

async function measure(
  transport: string,
  url: string,
  ca: ServerIdentity["tls"]["certificate"],
): Promise<Measurement> {
  const signal = AbortSignal.timeout(deadlineMs);
  const tls = transport === "quic" || transport === "wss" ? { ca } : undefined;
  const meta = [{ key: "name", value: new TextEncoder().encode(`${transport} client`) }];
  const requests = { [subjects.ping]: () => undefined };
  const startedAt = performance.now();
  const session = await connect(url, { tls, signal, meta }, { requests });
  const handshakeMs = performance.now() - startedAt;
  try {
    const sorted = (await sampleRoundTrips(session, signal)).sort();
    return {
      transport,
      handshakeMs: round(handshakeMs),
      roundTrips: sorted.length,
      p50Us: round(percentile(sorted, 0.5)),
      p99Us: round(percentile(sorted, 0.99)),
    };
  } finally {
    await session.close();
  }
}

/** Asks the room, and the next time when it has answered. @returns microseconds */
async function sampleRoundTrips(session: ClientSession, signal: AbortSignal): Promise<Float64Array> {
  const samples = new Float64Array(roundTrips);
  for (let n = -warmUpRoundTrips; n < roundTrips; n += 1) {
    const askedAt = performance.now();
    const reply = await session.request(subjects.ping, "", { signal });
    if (reply.status !== "success") throw new Error(`the room's answer to a ping was a ${reply.status}`);
    if (n >= 0) samples[n] = (performance.now() - askedAt) * 1_000;
  }
  return samples;
}

function printTable(measurements: readonly Measurement[], failures: readonly Failure[]): void {
  const header = ["transport", "handshake ms", "round trips", "p50 µs", "p99 µs"];
  const rows = measurements.map(({ transport, handshakeMs, roundTrips, p50Us, p99Us }) => [
    transport,
    handshakeMs.toFixed(1),
    String(roundTrips),
    p50Us.toFixed(0),
    p99Us.toFixed(0),
  ]);
  process.stdout.write(formatTable(header, rows));
  const { red } = colours(process.stderr);
  for (const { transport, error, message } of failures) {
    process.stderr.write(`${red(`${transport} failed:`)} ${message} (${error})\n`);
  }
}

/** The nearest-rank percentile. */
function percentile(sorted: Float64Array, fraction: number): number {
  return sorted[Math.max(0, Math.ceil(sorted.length * fraction) - 1)]!;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
