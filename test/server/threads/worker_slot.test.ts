import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type SlotEvent, type SlotRun, WorkerSlot } from "#internal/server/workers/worker_slot.js";
import { deferred } from "../../kit/deferred.js";
import { until } from "../../kit/until.js";

/** What runs in a slot, as the test wants it. */
class Run implements SlotRun {
  readonly end = deferred<unknown>();
  readonly listening: Promise<readonly string[]> = Promise.resolve(["quic://here"]);
  readonly ended: Promise<unknown> = this.end.promise;

  async close(): Promise<void> {
    await this.ended;
  }

  endWithProcess(): void {}
}

function slotOf(begin: () => Run) {
  const events: SlotEvent[] = [];
  const told = (_slot: unknown, event: SlotEvent) => events.push(event);
  return { slot: new WorkerSlot<Run>(1, { begin, told }), events };
}

describe("the place of a thread", () => {
  test("tells what went wrong when the thread was to end, and that it has no successor", async () => {
    const run = new Run();
    const { slot, events } = slotOf(() => run);
    await slot.start();
    const closed = slot.close({}, 0);
    const cause = new Error("a plugin's dispose");
    run.end.resolve(cause);
    await closed;
    assert.equal(slot.state, "closed");
    assert.deepEqual(events, [{ type: "Exit", cause, isReplaced: false }]);
  });

  test("says nothing of one that has ended as it was told to", async () => {
    const run = new Run();
    const { slot, events } = slotOf(() => run);
    await slot.start();
    const closed = slot.close({}, 0);
    run.end.resolve(undefined);
    await closed;
    assert.deepEqual(events, []);
  });

  test("tries again where the next one cannot even be begun", async () => {
    const runs: Run[] = [];
    let attempts = 0;
    const cause = new Error("no room for another thread");
    const { slot, events } = slotOf(() => {
      attempts += 1;
      if (attempts === 2) throw cause;
      runs.push(new Run());
      return runs.at(-1)!;
    });
    await slot.start();
    runs[0]!.end.resolve(undefined);
    await until("another listens", () => slot.state === "listening" && runs.length === 2);
    assert.deepEqual(events, [
      { type: "Exit", cause: undefined, isReplaced: true },
      { type: "Exit", cause, isReplaced: true },
      { type: "Restart" },
    ]);
    runs[1]!.end.resolve(undefined);
    await slot.close({}, 0);
  });
});
