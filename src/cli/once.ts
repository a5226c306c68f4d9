import { type Connection, connect, type MillraceError } from "../index.js";
import type { ServerIdentity } from "./identity.js";
import { encodeMessage, parseRoomMessage } from "./room_message.js";
import { RoomServer } from "./room_server.js";
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
  const server = await RoomServer.start({ host, port: 0, httpPort: 0, tls, messagesPerSecond: 1e6 });
  const measurements: Measurement[] = [];
  const failures: Failure[] = [];
  try {
    for (const transport of ["quic", "wss", "ws"] as const) {
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
  const samples = new RoundTripSamples();
  const signal = AbortSignal.timeout(deadlineMs);
  const startedAt = performance.now();
  const connection = await connect(url, samples, { tls: { ca }, signal });
  const handshakeMs = performance.now() - startedAt;
  const timer = setTimeout(() => connection.close({ graceful: false }), deadlineMs);
  try {
    connection.send(encodeMessage({ type: "join", name: `${transport} client` }));
    const sorted = await samples.taken;
    return {
      transport,
      handshakeMs: round(handshakeMs),
      roundTrips: sorted.length,
      p50Us: round(percentile(sorted, 0.5)),
      p99Us: round(percentile(sorted, 0.99)),
    };
  } finally {
    clearTimeout(timer);
    await connection.close();
  }
}

/** A client that joins, then pings the room, the next ping when the last is answered. */
class RoundTripSamples {
  /** Microseconds, the shortest first. Rejects when the connection ends too early. */
  readonly taken: Promise<Float64Array>;
  readonly #samples = new Float64Array(roundTrips);
  #settle!: { resolve(samples: Float64Array): void; reject(cause: Error): void };
  #pings = 0;
  #sentAt = 0;

  constructor() {
    this.taken = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
    // A connection that fails before it is open rejects in `connect`; nobody waits here then.
    this.taken.catch(() => undefined);
  }

  message(connection: Connection, bytes: Uint8Array): void {
    const now = performance.now();
    const message = parseRoomMessage(bytes);
    if (message?.type === "ping") {
      connection.send(encodeMessage({ type: "pong", id: message.id }));
    } else if (message?.type === "welcome") {
      this.#ping(connection);
    } else if (message?.type === "pong" && message.id === this.#pings) {
      const sample = this.#pings - warmUpRoundTrips - 1;
      if (sample >= 0) this.#samples[sample] = (now - this.#sentAt) * 1_000;
      if (sample + 1 === roundTrips) this.#settle.resolve(this.#samples.sort());
      else this.#ping(connection);
    }
  }

  close(): void {
    this.#settle.reject(
      new Error(`the connection ended after ${this.#pings} of ${warmUpRoundTrips + roundTrips} round trips`),
    );
  }

  #ping(connection: Connection): void {
    this.#pings += 1;
    this.#sentAt = performance.now();
    connection.send(encodeMessage({ type: "ping", id: this.#pings }));
  }
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
