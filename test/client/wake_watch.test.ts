import assert from "node:assert/strict";
import { test } from "node:test";
import { WakeWatch } from "#internal/client/wake_watch.js";

test("who wants to know is told that a machine has slept, and neither of a slow event loop nor of nothing", () => {
  let wallMs = 1_000_000;
  let timersMs = 0;
  const watch = new WakeWatch({ wall: () => wallMs, timers: () => timersMs });
  let told = 0;
  const end = watch.add(() => {
    told += 1;
  });
  const pass = (wall: number, timers: number) => {
    wallMs += wall;
    timersMs += timers;
    watch.check();
    return told;
  };
  assert.equal(pass(5_000, 5_000), 0);
  assert.equal(pass(60_000, 60_000), 0, "a page in the background is given a turn a minute");
  assert.equal(pass(65_000, 5_000), 1, "the timers' clock stood still");
  assert.equal(pass(5_000, 5_000), 1);
  assert.equal(pass(3_600_000, 3_600_000), 2, "it did not, and yet: an hour");
  assert.equal(pass(-3_600_000, 5_000), 2, "somebody has set the clock back");
  end();
  assert.equal(pass(3_600_000, 0), 2);
});
