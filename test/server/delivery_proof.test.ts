import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import fc from "fast-check";
import type { Transport } from "millrace";
import { found } from "../proof/found.js";
import {
  abruptEnds,
  acknowledgedOnly,
  lossInSilence,
  missedInSilence,
  noDedupe,
  noReplay,
  overtaking,
  type Sabotage,
} from "../proof/sabotage.js";
import { anySetting, anyStep } from "../proof/step.js";
import { type Roads, World } from "../proof/world.js";

const example = new URL("../../../examples/transport/memory.js", import.meta.url);
const { MemoryTransport } = (await import(example.href)) as { MemoryTransport: new () => Transport };

// Nothing in memory keeps a process alive.
const alive = setInterval(() => {}, 1_000);
after(() => clearInterval(alive));

/** `npm run prove:delivery` is the long form; a seed that failed is tried again by `MILLRACE_PROVE_SEED`. */
const runs = Number(process.env.MILLRACE_PROVE_RUNS ?? 15);
const seed = Number(process.env.MILLRACE_PROVE_SEED ?? Date.now() % 2 ** 31);

/** A random history, and what of it was not as promised. */
function property(roads: () => Roads) {
  return fc.asyncProperty(anySetting, fc.array(anyStep, { maxLength: 40 }), async (setting, steps) => {
    const world = await World.begin(setting, roads());
    try {
      for (const step of steps) await world.play(step);
      assert.deepEqual(await world.rest(), []);
    } finally {
      await world.end();
    }
  });
}

async function hold(roads: () => Roads): Promise<void> {
  await fc.assert(property(roads), { numRuns: runs, seed, includeErrorInReport: true, examples: found });
}

const inMemory = (): Roads => ({ listen: ["memory://127.0.0.1:0"], transports: [new MemoryTransport()] });
const byTurns = (): Roads => ({ ...inMemory(), listen: ["memory://127.0.0.1:0", "tcp://127.0.0.1:0"] });

describe("what is promised of delivery, whatever befalls a server and its clients", () => {
  test("holds in memory", async (t) => {
    t.diagnostic(`seed ${seed}`);
    await hold(inMemory);
  });

  test("holds over TCP and in memory by turns, cut at any byte", async (t) => {
    t.diagnostic(`seed ${seed}`);
    await hold(byTurns);
  });

  test("holds over QUIC, WebSocket and TCP by turns, in the clear and with TLS", async (t) => {
    t.diagnostic(`seed ${seed}`);
    const schemes = ["quic", "ws", "tcp", "wss", "tls"];
    await hold(() => ({ listen: schemes.map((scheme) => `${scheme}://127.0.0.1:0`), transports: [] }));
  });
});

describe("the proof of delivery", () => {
  const cases: readonly (readonly [what: string, sabotage: Sabotage, finds: RegExp])[] = [
    ["that what comes again is applied again", noDedupe, /came twice|came behind/],
    ["that what was cut off is not sent again", noReplay, /never came|no rest/],
    [
      "that what was acknowledged is lost",
      acknowledgedOnly,
      /was acknowledged, and lost|a hole between|never came, and/,
    ],
    ["that a message overtakes another", overtaking, /came behind/],
    ["that a graceful end is none", abruptEnds, /ended gracefully/],
    ["that what is missing of a topic is not declared", missedInSilence, /nobody declared/],
    ["that a loss is not declared", lossInSilence, /resume said true/],
  ];

  for (const [what, sabotage, finds] of cases) {
    test(`finds ${what}`, async () => {
      const undo = sabotage();
      try {
        // One and the same, as a proof that finds nothing proves nothing.
        const found = await fc.check(property(inMemory), { numRuns: 200, seed: 1, endOnFailure: true });
        assert.equal(found.failed, true);
        assert.match(String(found.errorInstance), finds);
      } finally {
        undo();
      }
    });
  }
});
