import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { Missed } from "#internal/topic/missed.js";
import { Topics } from "#internal/topic/topics.js";

describe("what a subscriber has missed", () => {
  it("is the place before the first message of each topic, until it is taken", () => {
    const missed = new Missed<string>();
    missed.note("ann", "a", { epoch: 7, sequence: 3 });
    missed.note("ann", "a", { epoch: 7, sequence: 4 });
    missed.note("ann", "a", { epoch: 8, sequence: 1 }); // the topic has begun anew meanwhile
    missed.note("ann", "b", { epoch: 9, sequence: 1 });
    assert.deepEqual([missed.has("ann"), missed.has("bob"), missed.size], [true, false, 1]);
    assert.deepEqual(missed.take("ann"), {
      places: new Map([
        ["a", { epoch: 7, sequence: 2 }],
        ["b", { epoch: 9, sequence: 0 }],
      ]),
      isComplete: true,
    });
    assert.equal(missed.take("ann"), undefined);
    assert.equal(missed.size, 0);
    missed.note("bob", "a", { epoch: 7, sequence: 3 });
    missed.forget("bob");
    assert.equal(missed.has("bob"), false);
  });

  it("is not all where there were too many topics, and says so", () => {
    const missed = new Missed<string>(2);
    for (const subject of ["a", "b", "a"]) missed.note("ann", subject, { epoch: 1, sequence: 1 });
    missed.note("bob", "a", { epoch: 1, sequence: 1 });
    missed.note("ann", "c", { epoch: 1, sequence: 1 });
    const { places, isComplete } = missed.take("ann")!;
    assert.deepEqual([[...places.keys()], isComplete], [["a", "b"], false]);
    assert.equal(missed.take("bob")?.isComplete, true);
  });

  it("lets one who subscribes by a wildcard go on, with nothing lost or twice but what is declared", () => {
    const step = fc.oneof(
      { weight: 6, arbitrary: fc.constantFrom("a.1", "a.2", "a.3") },
      { weight: 1, arbitrary: fc.constantFrom("away", "back", "sweep") },
    );
    let recovered = 0;
    let gaps = 0;
    fc.assert(
      fc.property(fc.array(step, { minLength: 20, maxLength: 60, size: "max" }), (steps) => {
        const topics = new Topics<string>({
          idleMs: 10,
          history: { "a.1": { count: 2 }, "a.2": { count: 99 } },
        });
        const missed = new Missed<string>();
        const runs = new Map<string, number[]>();
        const logs = new Map<string, number[]>();
        let isAway = false;
        topics.subscribe("ann", "a.>");
        const back = () => {
          isAway = false;
          for (const [subject, place] of missed.take("ann")?.places ?? []) {
            const found = topics.since(subject, place);
            if (found?.recovered === true) recovered += 1;
            else {
              gaps += 1;
              runs.set(subject, []);
            }
            for (const { type } of found?.entries ?? []) runs.get(subject)!.push(type);
          }
        };
        for (const [i, what] of steps.entries()) {
          if (what === "away") isAway = true;
          else if (what === "back") back();
          else if (what === "sweep") topics.sweep(i * 10, 99);
          else {
            logs.set(what, [...(logs.get(what) ?? []), i]);
            if (!runs.has(what)) runs.set(what, []);
            const { cursor, recipients } = topics.publish(what, new Uint8Array(1), { type: i });
            assert.deepEqual(recipients, ["ann"]);
            if (isAway) missed.note("ann", what, cursor);
            else runs.get(what)!.push(i);
          }
        }
        back();
        for (const [subject, run] of runs) {
          const log = logs.get(subject)!;
          assert.deepEqual(run, run.length === 0 ? [] : log.slice(log.indexOf(run[0]!)), subject);
        }
      }),
      { numRuns: 500 },
    );
    assert.ok(recovered > 50 && gaps > 50, `${recovered} recoveries and ${gaps} gaps were seen`);
  });
});
