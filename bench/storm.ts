import { join } from "node:path";
import { setTimeout as after } from "node:timers/promises";
import { clientCore, serverCore } from "./pinning.js";
import { BenchProcess } from "./process.js";
import { root } from "./root.js";

/** One try of a client to come back; milliseconds since 1970. */
export interface Try {
  readonly atMs: number;
  /** Undefined where there was nobody. */
  openedAtMs: number | undefined;
}

/** What a client has done. */
export interface StormClient {
  readonly tries: readonly Try[];
  /** When it was connected last; undefined where it is not. */
  readonly backAtMs: number | undefined;
}

/** How a server ends that is begun anew, and how its clients come back. */
export interface StormOptions {
  readonly clients: number;
  /** Of the clients' waits: 1 leaves all of them to chance, 0 none. */
  readonly jitter: number;
  /** It ends as it should, and tells its clients to come back in so long; undefined: it is gone at once. */
  readonly spreadMs?: number;
  /** How long nobody listens. */
  readonly awayMs: number;
  /** How long the new server lets nobody in, and when it has those come again. */
  readonly refuseForMs?: number;
  readonly retryAfterMs?: number;
}

/** How clients came back. */
export interface Storm {
  /** Tries to connect in each tenth of a second, from the moment that the server was gone. */
  readonly triesPerTenth: readonly number[];
  /** The same of sessions that were begun, from the moment that the new server listened. */
  readonly backPerTenth: readonly number[];
  /** From the same moment until this part of all clients was back. */
  readonly msUntil: { readonly half: number; readonly most: number; readonly all: number };
  readonly tries: number;
  /** Tries that the new server has refused. */
  readonly refused: number;
  /** The least time between a try that was refused and that client's next; undefined where there was none. */
  readonly soonestAgainMs: number | undefined;
}

/** Of so many files as a process may have open, most are sockets. */
const clientProcesses = 2;
const joinDeadlineMs = 120_000;
/** Nobody waits for longer than a minute between two tries. */
const returnDeadlineMs = 180_000;
const lookEveryMs = 200;

function program(...path: string[]): readonly string[] {
  return [process.execPath, join(root, "out", "bench", ...path)];
}

/** Has the clients of a server lose it, and another take its place. */
export async function storm(options: StormOptions): Promise<Storm> {
  const processes: BenchProcess[] = [];
  const start = async (command: readonly string[], core: number) => {
    const { process: started } = await BenchProcess.start<object>(command, { core });
    processes.push(started);
    return started;
  };
  try {
    const first = await start(program("servers", "storm.js"), serverCore);
    const next = await start(program("servers", "storm.js"), serverCore);
    const groups: BenchProcess[] = [];
    for (let i = 0; i < clientProcesses; i += 1) {
      groups.push(await start(program("clients", "storm.js"), clientCore));
    }
    return await play(options, first, next, groups);
  } finally {
    await Promise.all(processes.map((each) => each.stop()));
  }
}

async function play(
  { clients, jitter, spreadMs, awayMs, refuseForMs = 0, retryAfterMs = 0 }: StormOptions,
  first: BenchProcess,
  next: BenchProcess,
  groups: readonly BenchProcess[],
): Promise<Storm> {
  const noRefusals = { refuseForMs: 0, retryAfterMs: 0 };
  const { url } = await first.ask<{ url: string }>(
    `listen ${JSON.stringify({ url: "ws://127.0.0.1:0", ...noRefusals })}`,
  );
  const count = clients / groups.length;
  await Promise.all(
    groups.map((group) => group.ask(`join ${JSON.stringify({ url, count, jitter })}`, joinDeadlineMs)),
  );
  const goneAtMs = Date.now();
  if (spreadMs === undefined) await first.stop();
  else await first.ask(`close ${JSON.stringify({ spreadMs })}`);
  await after(goneAtMs + awayMs - Date.now());
  const { atMs } = await next.ask<{ atMs: number }>(
    `listen ${JSON.stringify({ url, refuseForMs, retryAfterMs })}`,
  );
  const deadlineMs = Date.now() + returnDeadlineMs;
  for (;;) {
    const outcomes = await Promise.all(
      groups.map((group) => group.ask<{ clients: StormClient[] }>("outcome")),
    );
    const all = outcomes.flatMap((outcome) => outcome.clients);
    const missing = all.filter(({ backAtMs }) => backAtMs === undefined || backAtMs < atMs).length;
    if (missing === 0) {
      const { refused } = await next.ask<{ refused: number }>("refusals");
      return sum(all, goneAtMs, atMs, refused);
    }
    if (Date.now() > deadlineMs) throw new Error(`${missing} clients of ${clients} did not come back`);
    await after(lookEveryMs);
  }
}

/** @param goneAtMs when the old server ended. @param thereAtMs when the new one listened. */
export function sum(
  clients: readonly StormClient[],
  goneAtMs: number,
  thereAtMs: number,
  refused: number,
): Storm {
  const tries = clients.map((client) => client.tries.filter(({ atMs }) => atMs >= goneAtMs));
  const backMs = clients.map(({ backAtMs }) => backAtMs! - thereAtMs).sort((a, b) => a - b);
  const until = (part: number) => backMs[Math.ceil(part * backMs.length) - 1]!;
  const again = tries.flatMap((of) =>
    of.slice(1).flatMap(({ atMs }, at) => {
      const { openedAtMs } = of[at]!;
      return openedAtMs === undefined ? [] : [atMs - openedAtMs];
    }),
  );
  return {
    triesPerTenth: perTenth(tries.flat().map(({ atMs }) => atMs - goneAtMs)),
    backPerTenth: perTenth(backMs),
    msUntil: { half: until(0.5), most: until(0.9), all: until(1) },
    tries: tries.flat().length,
    refused,
    soonestAgainMs: again.length === 0 ? undefined : Math.min(...again),
  };
}

/** How many there are in each tenth of a second, from 0 on. */
function perTenth(timesMs: readonly number[]): number[] {
  const counts: number[] = [];
  for (const ms of timesMs) {
    const at = Math.max(0, Math.floor(ms / 100));
    while (counts.length <= at) counts.push(0);
    counts[at]! += 1;
  }
  return counts;
}
