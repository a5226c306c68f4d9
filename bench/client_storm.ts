import { type Benchmark, type BenchmarkOptions, type Comparison, inTurn, type Target } from "./benchmark.js";
import { type Storm, type StormOptions, storm } from "./storm.js";

/** About as long as a server takes that is begun anew. */
const awayMs = 2_000;
const spreadMs = 10_000;
const refuseForMs = 2_000;
const retryAfterMs = 5_000;

const ours = "millrace's clients";
const together = "without jitter";
const gently = "told in good time";
const refused = "refused";

/** What many clients do whose server is begun anew. */
export const clientStorm: Benchmark = {
  name: "client-storm",
  title: "Clients, the storm: all of a server's clients come back when it is begun anew",
  run: compare,
};

interface Row {
  readonly title: string;
  readonly unit: string;
  value(storm: Storm): number;
  readonly target?: Target;
}

const rows: readonly Row[] = [
  {
    title: "tries in the busiest 0.1 s",
    unit: "tries",
    value: ({ triesPerTenth }) => Math.max(...triesPerTenth),
    target: { of: "ratio", atMost: 0.5 },
  },
  {
    title: "sessions begun in the busiest 0.1 s",
    unit: "sessions",
    value: ({ backPerTenth }) => Math.max(...backPerTenth),
  },
  { title: "tries of all", unit: "tries", value: ({ tries }) => tries },
  { title: "until half are back", unit: "ms", value: ({ msUntil }) => msUntil.half },
  { title: "until 90 % are back", unit: "ms", value: ({ msUntil }) => msUntil.most },
  { title: "until all are back", unit: "ms", value: ({ msUntil }) => msUntil.all },
];

async function compare(options: BenchmarkOptions): Promise<Comparison[]> {
  const { clients } = options;
  const play = (more: Omit<StormOptions, "clients" | "awayMs">) => () => storm({ clients, awayMs, ...more });
  const storms = await inTurn(options, `${clients} clients come back`, {
    [ours]: play({ jitter: 1 }),
    [together]: play({ jitter: 0 }),
    [gently]: play({ jitter: 1, spreadMs }),
    [refused]: play({ jitter: 1, refuseForMs, retryAfterMs }),
  });
  const told = (name: keyof typeof storms) => inWords(name, storms[name]![0]!);
  const killed = rows.map((row) => beside("killed", row, storms, [ours, together]));
  const ended = rows.map((row) => beside("ended gracefully", row, storms, [gently, together]));
  return [
    ...noted(killed, `${told(ours)}; ${told(together)}`),
    ...noted(ended, told(gently)),
    {
      title: "refused: the soonest that anybody tried again",
      unit: "ms",
      ours: {
        name: ours,
        values: storms[refused]!.map(({ soonestAgainMs }) => soonestAgainMs ?? Number.NaN),
      },
      peer: { name: "retryAfterMs", values: storms[refused]!.map(() => retryAfterMs) },
      target: { of: "ratio", atLeast: 1 },
      note: told(refused),
    },
  ];
}

/** With a note on the first. */
function noted([first, ...others]: readonly Comparison[], note: string): Comparison[] {
  return [{ ...first!, note }, ...others];
}

function beside(
  server: string,
  { title, unit, value, target }: Row,
  storms: Readonly<Record<string, readonly Storm[]>>,
  [one, other]: readonly [string, string],
): Comparison {
  const series = (name: string) => ({ name, values: storms[name]!.map(value) });
  return {
    title: `${server}: ${title}`,
    unit,
    ours: series(one),
    peer: series(other),
    ...(target && { target }),
  };
}

/** How one storm went, second by second. */
function inWords(name: string, { triesPerTenth, backPerTenth, refused }: Storm): string {
  const tries = `tries in each second since the server ended ${perSecond(triesPerTenth)}`;
  const back = `sessions in each second since there is another ${perSecond(backPerTenth)}`;
  return `${name}: ${tries}, ${back}${refused > 0 ? `, ${refused} refused` : ""}`;
}

function perSecond(perTenth: readonly number[]): string {
  const seconds: number[] = [];
  for (const [tenth, count] of perTenth.entries()) {
    const second = Math.floor(tenth / 10);
    seconds[second] = (seconds[second] ?? 0) + count;
  }
  return seconds.join(" ");
}
