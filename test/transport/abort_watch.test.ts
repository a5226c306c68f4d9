import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { describe, it } from "node:test";
import { watchAbort } from "#internal/transport/abort_watch.js";

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

  it("are none where there is no signal", () => {
    const end = watchAbort(undefined, () => assert.fail("nothing fires"));
    end();
  });
});
