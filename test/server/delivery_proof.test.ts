import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import fc from "fast-check";
import type { Transport } from "millrace";
import { anySetting, anyStep } from "./proof/step.js";
import { type Roads, World } from "./proof/world.js";

const example = new URL("../../../examples/transport/memory.js", import.meta.url);
const { MemoryTransport } = (await import(example.href)) as { MemoryTransport: new () => Transport };

// Nothing in memory keeps a process alive.
const alive = setInterval(() => {}, 1_000);
after(() => clearInterval(alive));

/** `npm run prove:delivery` is the long form; a seed that failed is tried again by `MILLRACE_PROVE_SEED`. */
const runs = Number(process.env.MILLRACE_PROVE_RUNS ?? 25);
const seed = Number(process.env.MILLRACE_PROVE_SEED ?? Date.now() % 2 ** 31);

async function hold(roads: () => Roads, numRuns: number): Promise<void> {
  const property = fc.asyncProperty(
    anySetting,
    fc.array(anyStep, { maxLength: 40 }),
    async (setting, steps) => {
      const world = await World.begin(setting, roads());
      try {
        for (const step of steps) await world.play(step);
        assert.deepEqual(await world.rest(), []);
      } finally {
        await world.end();
      }
    },
  );
  await fc.assert(property, { numRuns, seed, includeErrorInReport: true });
}

describe("what is promised of delivery, whatever befalls a server and its clients", () => {
  const inMemory = (): Roads => ({ listen: ["memory://127.0.0.1:0"], transports: [new MemoryTransport()] });

  test("holds in memory", async (t) => {
    t.diagnostic(`seed ${seed}`);
    await hold(inMemory, runs);
  });

  test("holds over TCP and in memory by turns, cut at any byte", async (t) => {
    t.diagnostic(`seed ${seed}`);
    await hold(() => ({ ...inMemory(), listen: ["memory://127.0.0.1:0", "tcp://127.0.0.1:0"] }), runs);
  });
});
