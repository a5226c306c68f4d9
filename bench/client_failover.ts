import {
  type ClientBehaviour,
  type ClientOptions,
  type ClientSession,
  connect,
  type NetworkNote,
} from "millrace/client";
import { readClientOptions } from "#internal/client/options.js";
import type { Benchmark, BenchmarkOptions, Comparison } from "./benchmark.js";
import { ClientNetwork, type ClientServer, type Scheme, withClientServer } from "./client_network.js";
import { median } from "./statistics.js";

/** A way that becomes a black hole, and the one that is left. */
interface Ways {
  readonly name: string;
  readonly from: Scheme;
  readonly to: Scheme;
  /** What sessions call the first. */
  readonly transport: string;
}

const ways: readonly Ways[] = [
  { name: "QUIC to WebSocket", from: "quic", to: "wss", transport: "quic" },
  { name: "WebSocket to TCP", from: "wss", to: "tls", transport: "websocket" },
];

/** What a session does while its connection is swallowed, and how it was told to notice. */
interface Manner {
  readonly name: string;
  readonly isBusy: boolean;
  readonly options: ClientOptions;
}

/** How often one that is busy asks something, and goes on asking. */
const askEveryMs = 100;
/** Nothing is answered for so long on a connection that is given up; a round trip must not take as long. */
const tunedStallMs = 200;
const promisedMs = 1_000;

const tuned: Manner = {
  name: `busy, stallMs ${tunedStallMs}`,
  isBusy: true,
  options: { autoSwitch: { stallMs: tunedStallMs } },
};

/** @param options empty but for a smoke run, which does not wait as long as a client waits by default. */
function mannersBy(options: ClientOptions): readonly Manner[] {
  return [
    { name: "busy", isBusy: true, options },
    { name: "idle", isBusy: false, options },
    { name: "idle, autoSwitch off", isBusy: false, options: { ...options, autoSwitch: false } },
  ];
}

/** How long a session is without a connection when a network swallows the one that it has. */
export const clientFailover: Benchmark = {
  name: "client-failover",
  title: "Clients, failover: from a black hole until the session goes on over another transport",
  run: (options) =>
    withClientServer(async (server) => {
      const { roundTripsMs } = options;
      const cases = roundTripsMs.flatMap((roundTripMs) => ways.map((way) => ({ roundTripMs, way })));
      const comparisons = await compareWaiting(options, server, cases);
      for (const each of cases) comparisons.push(await compareTuned(options, server, each));
      return comparisons;
    }),
};

interface Case {
  readonly roundTripMs: number;
  readonly way: Ways;
}

/** All repetitions of all cases at once: what they do is wait. */
async function compareWaiting(
  options: BenchmarkOptions,
  server: ClientServer,
  cases: readonly Case[],
): Promise<Comparison[]> {
  const manners = mannersBy(options.clientPace);
  options.progress(`failover, by default: ${manners.map(({ name }) => name).join("; ")}`);
  const { heartbeatTimeoutMs } = readClientOptions(options.clientPace);
  const times = Array.from({ length: options.repetitions }, () => 0);
  return Promise.all(
    cases.flatMap((each) =>
      manners.map(async (manner) => {
        const values = await Promise.all(times.map(() => failover(server, each, manner)));
        return comparison(each, manner, values, {
          name: `two heartbeat timeouts of ${heartbeatTimeoutMs / 1_000} s`,
          ms: 2 * heartbeatTimeoutMs,
        });
      }),
    ),
  );
}

async function compareTuned(
  options: BenchmarkOptions,
  server: ClientServer,
  each: Case,
): Promise<Comparison> {
  const values: number[] = [];
  for (let repetition = 1; repetition <= options.repetitions; repetition += 1) {
    const title = `failover, ${each.way.name}, ${each.roundTripMs} ms round trip, tuned`;
    options.progress(`${title}, ${repetition} of ${options.repetitions}`);
    values.push(await failover(server, each, tuned));
  }
  return comparison(each, tuned, values, { name: "a second", ms: promisedMs });
}

function comparison(
  { way, roundTripMs }: Case,
  manner: Manner,
  values: readonly number[],
  limit: { readonly name: string; readonly ms: number },
): Comparison {
  return {
    title: `${way.name}, ${roundTripMs} ms round trip, ${manner.name}`,
    unit: "ms",
    ours: { name: "millrace", values },
    peer: { name: limit.name, values: values.map(() => limit.ms) },
    target: { of: "ratio", atMost: 1 },
    note: `${(median(values) / roundTripMs).toFixed(1)} round trips`,
  };
}

/** From the moment that nothing gets through any more until the session goes on over the other transport. */
async function failover(
  server: ClientServer,
  { way, roundTripMs }: Case,
  { isBusy, options }: Manner,
): Promise<number> {
  await using network = await ClientNetwork.to(server, roundTripMs);
  const urls = [network.url(way.from), network.url(way.to)];
  let moved: () => void = () => {};
  const behaviour: ClientBehaviour = { connected: () => moved(), switched: () => moved() };
  const session = await connect(
    urls,
    {
      tls: server.tls,
      networkStore: new Map<string, NetworkNote | undefined>(),
      preferredTransport: way.transport,
      ...options,
    },
    behaviour,
  );
  if (session.transport !== way.transport) await session.switchTo(way.transport);
  await ask(session);
  const asking = isBusy ? setInterval(() => ask(session).catch(() => {}), askEveryMs) : undefined;
  try {
    await ask(session);
    if (session.transport !== way.transport) throw new Error(`it has left ${way.transport} without a reason`);
    const gone = new Promise<void>((resolve) => {
      moved = resolve;
    });
    const begunAtMs = performance.now();
    network.block(way.from);
    await gone;
    const ms = performance.now() - begunAtMs;
    await ask(session);
    return ms;
  } finally {
    clearInterval(asking);
    await session.close({ graceful: false });
  }
}

/** @throws Error where the answer is none */
async function ask(session: ClientSession): Promise<void> {
  const { status } = await session.request("echo", "how are you?", { timeoutMs: 120_000 });
  if (status !== "success") throw new Error(`the answer is ${status}`);
}
