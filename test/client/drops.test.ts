import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { playDrops } from "../proof/drops.js";
import { schemes } from "../proof/matrix.js";
import { sabotages } from "../proof/sabotage.js";

const seed = Date.now() % 2 ** 31;
/** By far more than it takes to find what is wrong. */
const manyDrops = 3_000;
const brief = { stepMs: 20_000, restMs: 10_000 };
const progress = () => {};

describe("random drops of clients' connections", () => {
  test("lose nothing, repeat nothing, and declare what is missing", async (t) => {
    t.diagnostic(`seed ${seed}`);
    const { faults, drops } = await playDrops({ drops: 100, seed, schemes, progress });
    assert.deepEqual(faults, []);
    assert.ok(drops >= 100);
  });

  test("can be played again by the number of their history", async () => {
    let histories = 0;
    const { faults } = await playDrops({
      ...{ drops: 1, seed: 7, only: 1_013, schemes },
      progress: (sum) => {
        histories = sum.histories;
      },
    });
    assert.deepEqual(faults, []);
    assert.ok(histories > 0);
  });

  const finds: Readonly<Record<keyof typeof sabotages, RegExp>> = {
    dedupe: /came twice|came behind/,
    replay: /never came|no rest|not within|a hole/,
    handling: /was acknowledged, and lost|a hole between|never came, and/,
    order: /came behind/,
    topics: /nobody declared/,
  };
  for (const [name, sabotage] of Object.entries(sabotages)) {
    test(`find soon what is spoilt on purpose: ${name}`, async (t) => {
      t.diagnostic(`seed ${seed}`);
      const undo = sabotage();
      try {
        const { faults, drops } = await playDrops({
          ...{ drops: manyDrops, seed, schemes, progress },
          ...{ untilFault: true, patience: brief },
        });
        assert.match(faults.join("\n"), finds[name as keyof typeof sabotages]);
        assert.ok(drops < manyDrops, "it ends with what it has found");
      } finally {
        undo();
      }
    });
  }
});
