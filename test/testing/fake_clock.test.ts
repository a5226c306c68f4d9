import assert from "node:assert/strict";
import { describe, type TestContext, test } from "node:test";
import { promisify } from "node:util";
import { createPair, type FakeClockOptions, installFakeClock } from "millrace/testing";
import { InvalidArgumentError } from "#internal/errors.js";
import { until } from "../kit/until.js";

function install(t: TestContext, options?: FakeClockOptions) {
  const clock = installFakeClock(options);
  t.after(() => clock.uninstall());
  return clock;
}

describe("a fake clock", () => {
  test("stands still until it goes on, and says so wherever time is asked for", async (t) => {
    const clock = install(t, { dateMs: 1_000_000 });
    const began = performance.now();
    assert.deepEqual([clock.nowMs, Date.now()], [began, 1_000_000]);
    await clock.advance(1_500);
    assert.deepEqual([performance.now() - began, Date.now()], [1_500, 1_001_500]);
  });

  test("begins where the thread's own clock is", (t) => {
    const [before, beforeMs] = [Date.now(), performance.now()];
    install(t);
    assert.ok(Date.now() >= before && Date.now() < before + 60_000);
    assert.ok(performance.now() >= beforeMs && performance.now() < beforeMs + 60_000);
  });

  test("does what is due, in order, each at its time, and what that sets as well", async (t) => {
    const clock = install(t);
    const began = clock.nowMs;
    const done: [string, number][] = [];
    const note = (what: string) => done.push([what, clock.nowMs - began]);
    setTimeout(note, 300, "late");
    setTimeout(async () => {
      note("early");
      await null;
      setTimeout(note, 100, "set on the way");
    }, 100);
    setTimeout(note, 300, "late, too");
    clearTimeout(setTimeout(note, 200, "never"));
    const everyOther = setInterval(note, 150, "again");
    await clock.advance(299);
    assert.deepEqual(done, [
      ["early", 100],
      ["again", 150],
      ["set on the way", 200],
    ]);
    await clock.advance(1);
    clearInterval(everyOther);
    await clock.advance(1_000);
    assert.deepEqual(
      done
        .slice(3)
        .map(([what]) => what)
        .sort(),
      ["again", "late", "late, too"],
    );
    assert.ok(done.slice(3).every(([, atMs]) => atMs === 300));
    assert.equal(clock.timers, 0);
  });

  test("gives timers that can all that Node's can", async (t) => {
    const clock = install(t);
    let count = 0;
    const timer = setTimeout(() => {
      count += 1;
    }, 100);
    assert.equal(timer.unref().hasRef(), false);
    assert.equal(timer.ref().hasRef(), true);
    await clock.advance(60);
    timer.refresh();
    await clock.advance(60);
    assert.equal(count, 0);
    await clock.advance(40);
    assert.equal(count, 1);
    timer.refresh();
    timer.close();
    const late = promisify(setTimeout)(50, "value");
    await clock.advance(50);
    assert.equal(await late, "value");
    assert.equal(count, 1);
    assert.throws(() => setTimeout("text" as never, 1), InvalidArgumentError);
  });

  test("that jumps does what was due behind the jump, once", async (t) => {
    const clock = install(t);
    const began = clock.nowMs;
    const times: number[] = [];
    const timer = setInterval(() => times.push(clock.nowMs - began), 100);
    await clock.jump(3_600_000);
    assert.deepEqual(times, [3_600_000]);
    await clock.advance(100);
    assert.deepEqual(times, [3_600_000, 3_600_100]);
    clearInterval(timer);
  });

  test("whose date is set goes on as before", async (t) => {
    const clock = install(t, { dateMs: 5_000 });
    const began = performance.now();
    clock.setDate(1_000);
    assert.deepEqual([Date.now(), performance.now()], [1_000, began]);
    await clock.advance(10);
    assert.deepEqual([Date.now(), performance.now() - began], [1_010, 10]);
  });

  test("goes on behind a timer that throws", async (t) => {
    const clock = install(t);
    const [, thrown] = await Promise.all([
      (async () => {
        let isDone = false;
        setTimeout(() => {
          throw new Error("of a timer");
        }, 1);
        setTimeout(() => {
          isDone = true;
        }, 2);
        await clock.advance(2);
        assert.equal(isDone, true);
      })(),
      new Promise<Error>((resolve) => {
        const listeners = process.listeners("uncaughtException");
        process.removeAllListeners("uncaughtException");
        process.once("uncaughtException", (error) => {
          for (const listener of listeners) process.on("uncaughtException", listener);
          resolve(error);
        });
      }),
    ]);
    assert.equal(thrown.message, "of a timer");
  });

  test("gives the thread its own back, once and for all", async () => {
    const own = {
      setTimeout,
      setInterval,
      clearTimeout,
      clearInterval,
      now: performance.now,
      date: Date.now,
    };
    const before = setTimeout(() => {}, 1_000_000);
    const clock = installFakeClock();
    clearTimeout(before); // which is the thread's own still
    assert.equal((before as unknown as { _destroyed: boolean })._destroyed, true);
    setTimeout(() => assert.fail("it was forgotten"), 1);
    clock.uninstall();
    clock[Symbol.dispose]();
    assert.deepEqual(
      { setTimeout, setInterval, clearTimeout, clearInterval, now: performance.now, date: Date.now },
      own,
    );
    await clock.advance(10);
    installFakeClock().uninstall();
  });

  test("says what is wrong", async (t) => {
    assert.throws(() => installFakeClock({ dateMs: Number.NaN }), /dateMs/);
    assert.throws(() => installFakeClock({ date: 1 } as never), InvalidArgumentError);
    const clock = install(t);
    assert.throws(() => installFakeClock(), /is installed/);
    await assert.rejects(clock.advance(-1), InvalidArgumentError);
    await assert.rejects(clock.jump("1" as never), InvalidArgumentError);
    assert.throws(() => clock.setDate(Number.POSITIVE_INFINITY), InvalidArgumentError);
  });

  test("is the clock of clients and servers: minutes of heartbeats take seconds", async (t) => {
    const clock = install(t);
    await using pair = await createPair({ client: { heartbeatMs: 5_000 } });
    const asked = pair.client.request("nobody answers this", "", { timeoutMs: 3_600_000 });
    assert.equal((await asked).status, "failure");
    for (let beat = 0; beat < 40; beat += 1) {
      await clock.advance(5_000);
      await pair.client.request("there?"); // it is heard before the next
    }
    assert.equal(pair.client.transport, "tcp");
  });

  test("gives up a peer that is silent for as long as it may be, by that clock", async (t) => {
    const clock = install(t);
    await using pair = await createPair({ relay: true, client: { heartbeatMs: 20_000 } });
    pair.relay!.block();
    await clock.advance(35_000);
    assert.equal(pair.client.transport, "tcp");
    await clock.advance(45_000);
    await until("it has lost its connection", () => pair.client.transport === undefined);
  });
});
