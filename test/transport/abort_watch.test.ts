import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { describe, it } from "node:test";
import { watchAbort } from "#internal/transport/abort_watch.js";
import { collectUncaught } from "../kit/uncaught.js";
import { until } from "../kit/until.js";

const listeners = (signal: AbortSignal) => getEventListeners(signal, "abort").length;

describe("the watches of a signal", () => {
  it("have one listener, which goes with the last of them", () => {
    const { signal } = new AbortController();
    const ends = Array.from({ length: 20 }, () => watchAbort(signal, () => {}));
    assert.equal(listeners(signal), 1);
    for (const end of ends.slice(1)) end();
    ends[1]!();
    assert.equal(listeners(signal), 1);
    ends[0]!();
    ends[0]!();
    assert.equal(listeners(signal), 0);
    const again = watchAbort(signal, () => {});
    assert.equal(listeners(signal), 1);
    ends[0]!();
    assert.equal(listeners(signal), 1, "an ended watch ends no other");
    again();
    assert.equal(listeners(signal), 0);
  });

  it("are all called, in their order, once, but for those that have ended", () => {
    const controller = new AbortController();
    const { signal } = controller;
    const called: number[] = [];
    const ends = [0, 1, 2, 3, 4].map((i) =>
      watchAbort(signal, () => {
        called.push(i);
        ends[i]!();
        if (i === 2) ends[3]!();
      }),
    );
    ends[1]!();
    controller.abort();
    controller.abort();
    assert.deepEqual(called, [0, 2, 4]);
    assert.equal(listeners(signal), 0);
  });

  it("are called though one before them throws, which is told as uncaught", async (t) => {
    const uncaught = collectUncaught(t);
    const controller = new AbortController();
    const called: number[] = [];
    for (const i of [0, 1, 2]) {
      watchAbort(controller.signal, () => {
        called.push(i);
        if (i === 1) throw new Error("one");
      });
    }
    controller.abort();
    assert.deepEqual(called, [0, 1, 2]);
    await until("it is told", () => uncaught.length > 0);
    assert.deepEqual(uncaught, [new Error("one")]);
  });

  it("are none where there is no signal", () => {
    const end = watchAbort(undefined, () => assert.fail("nothing fires"));
    end();
  });
});
