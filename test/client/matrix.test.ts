import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  burst,
  type Class,
  classes,
  type Row,
  rows,
  type Scheme,
  schemes,
  setting,
} from "../proof/matrix.js";
import { noDedupe, noReplay } from "../proof/sabotage.js";
import { type Patience, World } from "../proof/world.js";

/** A sabotage need not show at once: when what is sent comes is the machine's to say. */
const maxTries = 50;
/** What never comes to rest is not waited for as long as what is sound. */
const brief: Patience = { stepMs: 60_000, restMs: 1_000 };

async function play(row: Row, scheme: Scheme, of: Class, patience?: Patience): Promise<World> {
  const listen = row.listen(scheme).map((each) => `${each}://127.0.0.1:0`);
  const world = await World.begin(setting, { listen, transports: [] }, patience);
  try {
    await world.play({ do: "await", who: 0, what: "connected" });
    for (const step of row.steps(burst(of), scheme)) await world.play(step);
    return world;
  } catch (cause) {
    await world.end();
    throw cause;
  }
}

/** What is wrong with a cell of the matrix. */
async function faultsOf(
  row: Row,
  scheme: Scheme,
  of: Class,
  patience?: Patience,
): Promise<readonly string[]> {
  const world = await play(row, scheme, of, patience);
  try {
    const faults = [...(await world.rest())];
    const streams = [...world.journal.streams.values()].filter(({ client }) => client === "ali");
    for (const { way, came } of streams) if (came.length === 0) faults.push(`nothing came ${way}`);
    if (streams.length < 2) faults.push("nothing was sent");
    const connections = world.connectionsOf(0);
    if (connections > 1 !== row.reconnects(scheme)) faults.push(`it had ${connections} connections`);
    return faults;
  } finally {
    await world.end();
  }
}

describe("a client's session, whatever befalls its connection", { concurrency: 4 }, () => {
  for (const row of rows) {
    for (const scheme of schemes) {
      for (const of of classes) {
        test(`${row.name}, ${scheme}, ${of}: nothing is lost, nothing comes twice or out of order`, async () => {
          assert.deepEqual(await faultsOf(row, scheme, of), []);
        });
      }
    }
  }
});

describe("the proof of that", () => {
  const rowOf = (wanted: string) => rows.find(({ name }) => name === wanted)!;
  const cases = [
    ["what comes again is applied again", "move by hand", noDedupe, /came twice|came behind/],
    [
      "what was cut off is not sent again",
      "cut in what goes up",
      noReplay,
      /never came|no rest|was acknowledged, and lost|nothing came/,
    ],
  ] as const;
  for (const [what, row, sabotage, finds] of cases) {
    for (const scheme of schemes) {
      test(`finds over ${scheme} that ${what}`, async () => {
        const undo = sabotage();
        try {
          const found: string[] = [];
          for (let tries = 0; tries < maxTries && !found.some((fault) => finds.test(fault)); tries += 1) {
            found.push(...(await faultsOf(rowOf(row), scheme, "unordered", brief)));
          }
          assert.match(found.join("\n"), finds);
        } finally {
          undo();
        }
      });
    }
  }
});
