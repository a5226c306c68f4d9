import fc from "fast-check";
import type { Scheme } from "./matrix.js";
import { anySend, anySetting, type Setting, type Step } from "./step.js";
import { type Patience, World } from "./world.js";

/** How connections are dropped. */
export interface DropsOptions {
  /** At least so many connections are lost or left. */
  readonly drops: number;
  /** The same seed has the same histories; what the network makes of them is its own. */
  readonly seed: number;
  readonly schemes: readonly Scheme[];
  /** The number of the one history that is played, again and again; undefined: each once. */
  readonly only?: number | undefined;
  /** Ends with the first fault, and lets what is under way alone. */
  readonly untilFault?: boolean | undefined;
  readonly patience?: Patience | undefined;
  /** Called when a history is over. */
  progress(sum: DropsResult): void;
}

/** What came of it. */
export interface DropsResult {
  histories: number;
  drops: number;
  connections: number;
  sent: number;
  came: number;
  /** Messages of which their senders were told that they had been received. */
  acknowledged: number;
  requests: number;
  /** Sessions of which somebody was told that they are lost, with what was not acknowledged. */
  lossesDeclared: number;
  /** With the number of the history in which it was so. */
  readonly faults: string[];
}

const who = fc.nat(1);
const way = fc.constantFrom("up" as const, "down" as const);
const connected: fc.Arbitrary<readonly Step[]> = who.map((one) => [
  { do: "await", who: one, what: "connected" },
]);
const one = (step: fc.Arbitrary<Step>): fc.Arbitrary<readonly Step[]> => step.map((each) => [each]);

/** Something is sent, or a connection is dropped in one of the ways there are. */
const anyPart: fc.Arbitrary<readonly Step[]> = fc.oneof(
  { weight: 8, arbitrary: one(anySend) },
  {
    weight: 2,
    arbitrary: one(fc.record({ do: fc.constant("ask" as const), who, way, bytes: fc.nat(2_000) })),
  },
  {
    weight: 1,
    arbitrary: one(fc.record({ do: fc.constant("publish" as const), count: fc.integer({ min: 1, max: 8 }) })),
  },
  { weight: 3, arbitrary: one(fc.record({ do: fc.constant("abandon" as const), who, way })) },
  {
    weight: 4,
    arbitrary: one(fc.record({ do: fc.constant("cut" as const), who, way, afterBytes: fc.nat(2_000) })),
  },
  { weight: 1, arbitrary: one(fc.record({ do: fc.constant("rebind" as const), who })) },
  {
    weight: 2,
    arbitrary: one(
      fc.record({
        ...{ do: fc.constant("resume" as const), who, over: fc.nat(4) },
        waits: fc.boolean(),
      }),
    ),
  },
  {
    // A client that gives up in a black hole, of which its server hears nothing.
    weight: 2,
    arbitrary: fc
      .tuple(who, fc.option(way, { nil: undefined }), anySend)
      .map(([each, blocked, send]): readonly Step[] => [
        { do: "block", who: each, way: blocked },
        send,
        { do: "abandon", who: each, way: "up" },
        { do: "mend", who: each },
      ]),
  },
  { weight: 1, arbitrary: who.map((each): readonly Step[] => [{ do: "spoil", who: each }]) },
  { weight: 1, arbitrary: who.map((each): readonly Step[] => [{ do: "mend", who: each }]) },
  { weight: 6, arbitrary: connected },
);

const anyHistory = fc.tuple(anySetting, fc.array(anyPart, { minLength: 100, maxLength: 150 }));
/** How many go on at a time: mostly they wait. */
const atOnce = 4;

/** Plays random histories until so many connections were dropped. */
export async function playDrops(options: DropsOptions): Promise<DropsResult> {
  const sum: DropsResult = {
    ...{ histories: 0, drops: 0, connections: 0, sent: 0, came: 0, acknowledged: 0 },
    ...{ requests: 0, lossesDeclared: 0, faults: [] },
  };
  let next = 0;
  const isFound = () => options.untilFault === true && sum.faults.length > 0;
  const run = async (): Promise<void> => {
    while (sum.drops < options.drops && !isFound()) {
      const number = options.only ?? next;
      next += 1;
      await playOne(number, options, sum, isFound);
      options.progress(sum);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, run));
  return sum;
}

/** The history of a number. */
export function historyOf(seed: number, number: number): readonly [Setting, readonly Step[]] {
  const [history] = fc.sample(anyHistory, { seed: (seed + number) | 0, numRuns: 1 });
  const [setting, parts] = history!;
  return [{ ...setting, reconnects: true }, parts.flat()];
}

/** @param isOver whether it need not be played to its end. */
async function playOne(
  number: number,
  { seed, schemes, patience }: DropsOptions,
  sum: DropsResult,
  isOver: () => boolean,
): Promise<void> {
  const [setting, steps] = historyOf(seed, number);
  const listen = schemes.map((scheme) => `${scheme}://127.0.0.1:0`);
  const world = await World.begin(setting, { listen, transports: [] }, patience);
  const say = (fault: string) => sum.faults.push(`history ${number}: ${fault}`);
  let at = -1;
  try {
    for (const step of steps) {
      if (isOver()) break;
      at += 1;
      await world.play(step);
    }
    if (!isOver()) for (const fault of await world.rest()) say(fault);
  } catch (cause) {
    say(`step ${at}, ${JSON.stringify(steps[at])}: ${cause}`);
  } finally {
    await world.end();
  }
  count(world, sum);
}

function count({ journal, connections, drops }: World, sum: DropsResult): void {
  sum.histories += 1;
  sum.drops += drops;
  sum.connections += connections;
  sum.lossesDeclared += journal.lossesDeclared;
  for (const { sent, came } of journal.streams.values()) {
    const accepted = sent.filter((message) => message.accepted);
    sum.sent += accepted.length;
    sum.came += came.length;
    sum.acknowledged += accepted.filter(({ outcomes }) => outcomes.includes("received")).length;
    sum.requests += accepted.filter(({ asks }) => asks).length;
  }
}
