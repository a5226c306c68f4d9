import { once } from "node:events";
import { type ClientOptions, connect, type NetworkNote } from "millrace/client";
import { WebSocket } from "ws";
import { type Benchmark, type BenchmarkOptions, type Comparison, inTurn } from "./benchmark.js";
import { ClientNetwork, type ClientServer, withClientServer } from "./client_network.js";
import { median } from "./statistics.js";

/** The default, which is what is waited for QUIC where UDP is blocked. */
const headStartMs = 250;
const blocked = "UDP blocked";
const known = "UDP blocked, known";
const open = "UDP open";
const alone = "WebSocket alone";
const bare = "bare WebSocket";
const names = [blocked, known, open, alone, bare] as const;

/** How long it takes until a session can be used. */
export const clientConnect: Benchmark = {
  name: "client-connect",
  title: "Clients, connecting: until a session can be used, where UDP is blocked and where it is not",
  run: (options) =>
    withClientServer(async (server) => {
      const comparisons: Comparison[] = [];
      for (const roundTripMs of options.roundTripsMs) {
        await using network = await ClientNetwork.to(server, roundTripMs);
        await using wall = await ClientNetwork.to(server, roundTripMs);
        wall.block("quic");
        comparisons.push(...(await compare(options, server, roundTripMs, { network, wall })));
      }
      return comparisons;
    }),
};

async function compare(
  options: BenchmarkOptions,
  { tls }: ClientServer,
  roundTripMs: number,
  { network, wall }: { readonly network: ClientNetwork; readonly wall: ClientNetwork },
): Promise<Comparison[]> {
  const title = `${roundTripMs} ms round trip`;
  const byQuic = (by: ClientNetwork) => [by.url("quic"), by.url("wss")];
  const stranger = (): ClientOptions => ({
    ...{ tls, networkStore: new Map<string, NetworkNote | undefined>(), autoSwitch: false },
  });
  const returning = stranger();
  // It learns that UDP is blocked; and what is loaded and compiled once is in no figure.
  for (const urls of [byQuic(wall), byQuic(network), network.url("wss")]) await session(urls, returning);
  const results = await inTurn(options, title, {
    [blocked]: () => session(byQuic(wall), stranger()),
    [known]: () => session(byQuic(wall), returning),
    [open]: () => session(byQuic(network), stranger()),
    [alone]: () => session(network.url("wss"), stranger()),
    [bare]: () => webSocket(network.url("wss"), tls!.ca as string),
  });
  const series = (name: keyof typeof results, moreMs = 0) => ({
    name: moreMs === 0 ? name : `head start and ${name}`,
    values: results[name]!.map((ms) => ms + moreMs),
  });
  const inRoundTrips = (name: keyof typeof results) =>
    `${name} ${(median(results[name]!) / roundTripMs).toFixed(1)}`;
  const row = (name: keyof typeof results, peer: Comparison["peer"], atMost?: number): Comparison => ({
    title: `${title}: a session, ${name}`,
    unit: "ms",
    ours: series(name),
    peer,
    ...(atMost !== undefined && { target: { of: "ratio" as const, atMost } }),
  });
  return [
    {
      ...row(blocked, series(alone, headStartMs), 1.05),
      note: `in round trips: ${names.map(inRoundTrips).join(", ")}; TCP's own is in none`,
    },
    row(blocked, series(bare, headStartMs)),
    row(known, series(alone), 1.1),
    row(open, series(alone)),
  ];
}

/** Until a session can be used. */
async function session(urls: string | readonly string[], options: ClientOptions): Promise<number> {
  const begunAtMs = performance.now();
  const session = await connect(urls, options);
  const ms = performance.now() - begunAtMs;
  await session.close({ graceful: false });
  return ms;
}

/** Until a WebSocket can be used, without a session: the library's, with the same server. */
async function webSocket(url: string, ca: string): Promise<number> {
  const begunAtMs = performance.now();
  const socket = new WebSocket(url, ["millrace.v1"], { ca, perMessageDeflate: false });
  await once(socket, "open");
  const ms = performance.now() - begunAtMs;
  socket.terminate();
  return ms;
}
