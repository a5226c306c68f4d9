import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { AbortedError, HandlerTimeoutError, InvalidArgumentError, TimeoutError } from "millrace";
import { Dispatcher } from "#internal/dispatch/dispatcher.js";
import type { DispatcherOptions } from "#internal/dispatch/options.js";
import type { Task, TaskCall } from "#internal/dispatch/task.js";
import { deferred } from "../kit/deferred.js";
import { VirtualTime } from "../kit/virtual_time.js";

/** A task that says when it starts, and ends when the test says so. */
class Job implements Task {
  readonly name: string;
  readonly #log: string[];
  readonly failures: unknown[] = [];
  readonly #settled = deferred<void>();
  call: TaskCall | undefined;

  constructor(name: string, log: string[]) {
    this.name = name;
    this.#log = log;
  }

  run(call: TaskCall): Promise<void> {
    this.call = call;
    this.#log.push(this.name);
    return this.#settled.promise;
  }

  fail(cause: unknown): void {
    this.failures.push(cause);
  }

  /** Resolves when the dispatcher has heard of it. */
  async end(): Promise<void> {
    this.#settled.resolve();
    await settled();
  }

  async reject(cause: unknown): Promise<void> {
    this.#settled.reject(cause);
    await settled();
  }
}

/** After every promise that is settled now was heard of. */
async function settled(): Promise<void> {
  await new Promise(setImmediate);
}

function bench(options: DispatcherOptions = {}) {
  const time = new VirtualTime();
  const dispatcher = new Dispatcher(options, time);
  const log: string[] = [];
  return { time, dispatcher, log, job: (name: string) => new Job(name, log) };
}

const done = (run: (call: TaskCall) => unknown): Task => ({
  run,
  fail: (cause) => assert.fail(String(cause)),
});

describe("a dispatcher", () => {
  it("starts a task at once, keeps as many waiting as it may, and refuses the next", async () => {
    const { dispatcher, log, job } = bench({ concurrency: 1, maxQueued: 2 });
    const first = job("1");
    const answers = [first, job("2"), job("3"), job("4")].map((each) => dispatcher.submit({}, each));
    assert.deepEqual(answers, ["started", "queued", "queued", "full"]);
    assert.deepEqual([dispatcher.running, dispatcher.queued], [1, 2]);
    assert.equal(dispatcher.counters.rejected, 1);
    await first.end();
    assert.deepEqual(log, ["1", "2"]);
    assert.equal(dispatcher.submit({}, job("5")), "queued");
  });

  it("runs ten at a time, one of each key, and keeps a thousand waiting, unless told otherwise", () => {
    const { dispatcher, job } = bench();
    const key = {};
    assert.equal(dispatcher.submit(key, job("a")), "started");
    assert.equal(dispatcher.submit(key, job("b")), "queued");
    for (let i = 0; i < 9; i += 1) assert.equal(dispatcher.submit({}, job("c")), "started");
    for (let i = 1; i < 1000; i += 1) assert.equal(dispatcher.submit({}, job("d")), "queued");
    assert.equal(dispatcher.submit({}, job("e")), "full");
  });

  it("runs one key's tasks one after the other, in the order of their coming", async () => {
    const { dispatcher, log, job } = bench();
    const key = {};
    const jobs = ["1", "2", "3"].map(job);
    for (const each of jobs) dispatcher.submit(key, each);
    assert.deepEqual(log, ["1"]);
    assert.equal(dispatcher.pending(key), 3);
    await jobs[0]!.end();
    assert.deepEqual(log, ["1", "2"]);
    await jobs[1]!.reject(new Error("no matter"));
    assert.deepEqual(log, ["1", "2", "3"]);
    await jobs[2]!.end();
    assert.equal(dispatcher.pending(key), 0);
  });

  it("runs more of one key where it may, and keeps no more of it waiting than it may", async () => {
    const { dispatcher, log, job } = bench({ concurrencyPerKey: 2, maxQueuedPerKey: 1 });
    const key = {};
    const jobs = ["1", "2", "3", "4"].map(job);
    assert.deepEqual(
      jobs.map((each) => dispatcher.submit(key, each)),
      ["started", "started", "queued", "full"],
    );
    assert.equal(dispatcher.submit({}, job("other")), "started");
    await jobs[1]!.end();
    assert.deepEqual(log, ["1", "2", "other", "3"]);
  });

  it("leaves room for others, whatever one key sends", () => {
    const { dispatcher, job } = bench({ concurrency: 1, maxQueued: 8 });
    const [greedy, modest] = [{}, {}];
    const submitted = ["1", "2", "3", "4"].map((name) => dispatcher.submit(greedy, job(name)));
    assert.deepEqual(submitted, ["started", "queued", "queued", "full"]);
    assert.equal(dispatcher.submit(modest, job("5")), "queued");
  });

  it("lets keys take turns, however many tasks one of them has", async () => {
    const { dispatcher, log, job } = bench({ concurrency: 1 });
    const [greedy, modest, late] = [{}, {}, {}];
    const jobs = new Map<string, Job>();
    const submit = (key: object, name: string) => {
      const each = job(name);
      jobs.set(name, each);
      dispatcher.submit(key, each);
    };
    for (let i = 0; i < 5; i += 1) submit(greedy, `g${i}`);
    for (let i = 0; i < 2; i += 1) submit(modest, `m${i}`);
    submit(late, "l0");
    for (let i = 0; i < 8; i += 1) await jobs.get(log.at(-1)!)!.end();
    assert.deepEqual(log, ["g0", "m0", "l0", "g1", "m1", "g2", "g3", "g4"]);
  });

  it("counts what is no promise as done, and starts the next without waiting", () => {
    const { dispatcher } = bench({ concurrency: 1 });
    const key = {};
    const log: number[] = [];
    const task = done(() => {
      log.push(1);
      assert.equal(
        dispatcher.submit(
          key,
          done(() => log.push(2)),
        ),
        "queued",
      );
    });
    assert.equal(dispatcher.submit(key, task), "started");
    assert.deepEqual(log, [1, 2]);
    assert.deepEqual([dispatcher.running, dispatcher.queued], [0, 0]);
  });

  it("does not grow the stack with tasks that end at once", async () => {
    const { dispatcher, job } = bench({ maxQueued: 100_000, maxQueuedPerKey: 100_000 });
    const key = {};
    const first = job("first");
    dispatcher.submit(key, first);
    let count = 0;
    for (let i = 0; i < 50_000; i += 1)
      dispatcher.submit(
        key,
        done(() => (count += 1)),
      );
    await first.end();
    assert.equal(count, 50_000);
  });

  it("tells a task that throws or rejects what it threw, before the next of its key starts", async () => {
    const { dispatcher } = bench();
    const key = {};
    const log: string[] = [];
    const failing = (name: string, run: () => unknown): Task => ({
      run,
      fail: (cause) => log.push(`${name}: ${cause}`),
    });
    dispatcher.submit(
      key,
      failing("sync", () => {
        throw "thrown";
      }),
    );
    dispatcher.submit(
      key,
      failing("async", () => Promise.reject("rejected")),
    );
    dispatcher.submit(
      key,
      done(() => log.push("next")),
    );
    await settled();
    assert.deepEqual(log, ["sync: thrown", "async: rejected", "next"]);
  });

  it("is not upset by a thenable that settles twice, throws, or cannot be read", async () => {
    const { dispatcher } = bench({ concurrency: 1 });
    const log: unknown[] = [];
    const name: string = "then";
    const thenables = [
      (yes: () => void) => {
        yes();
        yes();
      },
      () => {
        throw "then";
      },
    ].map((then) => Object.defineProperty({}, name, { value: then }));
    const trap = Object.defineProperty({}, name, {
      get: () => {
        throw "getter";
      },
    });
    const strange = [...thenables, trap].map((value) => ({
      run: () => value,
      fail: (cause: unknown) => log.push(cause),
    }));
    for (const task of strange) dispatcher.submit({}, task);
    await settled();
    assert.deepEqual(log, ["then", "getter"]);
    assert.equal(dispatcher.running, 0);
  });

  it("tells a task that takes too long by its signal, and keeps its place until it settles", async () => {
    const { dispatcher, time, log, job } = bench();
    const key = {};
    const slow = job("slow");
    dispatcher.submit(key, slow);
    dispatcher.submit(key, job("next"));
    const { signal } = slow.call!;
    time.advance(29_999);
    assert.equal(signal.aborted, false);
    time.advance(1);
    assert.ok(signal.reason instanceof HandlerTimeoutError);
    assert.deepEqual(slow.failures, [signal.reason]);
    assert.deepEqual(log, ["slow"]);
    await slow.reject(signal.reason);
    assert.deepEqual(log, ["slow", "next"]);
    assert.equal(slow.failures.length, 1);
    assert.deepEqual([dispatcher.counters.timedOut, dispatcher.counters.givenUp], [1, 0]);
  });

  it("gives up a task that ignores its signal, so that its key goes on", async () => {
    const { dispatcher, time, log, job } = bench({ concurrency: 1, timeoutMs: 100, graceMs: 50 });
    const key = {};
    const stuck = job("stuck");
    const next = job("next");
    dispatcher.submit(key, stuck);
    dispatcher.submit(key, next);
    time.advance(149);
    assert.deepEqual(log, ["stuck"]);
    time.advance(1);
    assert.deepEqual(log, ["stuck", "next"]);
    assert.equal(dispatcher.counters.givenUp, 1);
    await stuck.end(); // too late to matter
    assert.equal(dispatcher.running, 1);
    await next.end();
    assert.equal(dispatcher.running, 0);
  });

  it("shows a signal that is asked for late as what it has become", async () => {
    const { dispatcher, time, job } = bench({ timeoutMs: 10 });
    const slow = job("slow");
    dispatcher.submit({}, slow);
    time.advance(10);
    assert.ok(slow.call!.signal.aborted);
    assert.equal(slow.call!.signal.reason, slow.failures[0]);
    assert.equal(slow.call!.signal, slow.call!.signal);
    await slow.end();
  });

  it("lets a task take as long as it likes where the timeout is 0", () => {
    const { dispatcher, time, job } = bench({ timeoutMs: 0 });
    const slow = job("slow");
    dispatcher.submit({}, slow);
    time.advance(1e9);
    assert.equal(slow.call!.signal.aborted, false);
    dispatcher.update({ timeoutMs: 10 });
    time.advance(0);
    assert.ok(slow.call!.signal.aborted);
  });

  it("keeps one timer for all that run", async () => {
    const time = new VirtualTime();
    let timers = 0;
    const clock = {
      now: () => time.now(),
      at: (atMs: number, task: () => void) => {
        timers += 1;
        const cancel = time.at(atMs, () => {
          timers -= 1;
          task();
        });
        return () => {
          timers -= 1;
          cancel();
        };
      },
    };
    const dispatcher = new Dispatcher({ concurrency: 1000, timeoutMs: 1000 }, clock);
    const jobs = Array.from({ length: 500 }, () => new Job("", []));
    for (const each of jobs) {
      dispatcher.submit({}, each);
      time.advance(1);
    }
    assert.equal(timers, 1);
    time.advance(504);
    assert.equal(dispatcher.counters.timedOut, 5);
    assert.equal(timers, 2); // and one for those that were told to stop
  });

  it("when a key is cancelled, drops what waits and tells what runs", async () => {
    const { dispatcher, log, job, time } = bench();
    const [gone, stays] = [{}, {}];
    const running = job("running");
    dispatcher.submit(gone, running);
    const { signal } = running.call!;
    dispatcher.submit(gone, job("never"));
    dispatcher.submit(gone, job("never"));
    dispatcher.submit(stays, job("other"));
    const reason = new Error("the session closed");
    dispatcher.cancel(gone, reason);
    assert.equal(signal.reason, reason);
    assert.deepEqual([dispatcher.running, dispatcher.queued, dispatcher.counters.dropped], [2, 0, 2]);
    await running.reject(new Error("as it was told"));
    assert.deepEqual([dispatcher.running, running.failures], [1, []]);
    assert.deepEqual(log, ["running", "other"]);
    dispatcher.cancel({}, reason); // has nothing
    time.advance(40_000);
    assert.equal(dispatcher.counters.timedOut, 1); // of the other key only
  });

  it("gives up what was cancelled and does not settle, so that it holds no place for ever", () => {
    const { dispatcher, log, job, time } = bench({ concurrency: 1, timeoutMs: 0 });
    const key = {};
    dispatcher.submit(key, job("stuck"));
    dispatcher.submit({}, job("other"));
    dispatcher.cancel(key, new Error("gone"));
    time.advance(4999);
    assert.deepEqual(log, ["stuck"]);
    time.advance(1);
    assert.deepEqual(log, ["stuck", "other"]);
  });

  it("may be cancelled by the task itself, and by what hears its signal", async () => {
    const { dispatcher } = bench({ concurrency: 2 });
    const key = {};
    const log: string[] = [];
    dispatcher.submit(
      key,
      done(async ({ signal }) => {
        signal.addEventListener("abort", () => {
          log.push("told");
          dispatcher.cancel(key, "again");
          log.push(
            dispatcher.submit(
              key,
              done(() => log.push("after")),
            ),
          );
        });
        dispatcher.cancel(key, "gone");
        log.push(`${signal.reason}`);
      }),
    );
    await settled();
    assert.deepEqual(log, ["told", "queued", "gone", "after"]);
    assert.deepEqual([dispatcher.running, dispatcher.queued, dispatcher.pending(key)], [0, 0, 0]);
  });

  it("lets a task rest: others run meanwhile, but for those of its key, and its timeout begins anew", async () => {
    const { dispatcher, time, log, job } = bench({ concurrency: 1, timeoutMs: 100 });
    const key = {};
    const end = deferred();
    const rests: Task = {
      async run(call) {
        log.push("begins");
        await call.rest(500);
        log.push(`goes on at ${time.now()}`);
        await end.promise;
      },
      fail: (cause) => assert.fail(String(cause)),
    };
    dispatcher.submit(key, rests);
    dispatcher.submit(key, job("behind"));
    const other = job("other");
    assert.equal(dispatcher.submit({}, other), "started");
    assert.deepEqual([dispatcher.running, dispatcher.pending(key)], [1, 2]);
    await other.end();
    time.advance(499);
    assert.deepEqual(log, ["begins", "other"]);
    time.advance(1);
    await settled();
    assert.equal(dispatcher.running, 1);
    time.advance(99);
    end.resolve();
    await settled();
    assert.deepEqual(log, ["begins", "other", "goes on at 500", "behind"]);
    assert.equal(dispatcher.counters.timedOut, 0);
  });

  it("gives a task that has rested the next place that is free, before those that wait", async () => {
    const { dispatcher, time, log, job } = bench({ concurrency: 1, timeoutMs: 0 });
    dispatcher.submit(
      {},
      done(async (call) => {
        await call.rest(10);
        log.push("rested");
      }),
    );
    const other = job("other");
    dispatcher.submit({}, other);
    dispatcher.submit({}, job("waits"));
    time.advance(10);
    await settled();
    assert.deepEqual(log, ["other"]);
    await other.end();
    assert.deepEqual(log, ["other", "rested", "waits"]);
  });

  it("wakes a task that is cancelled while it rests, and ends one that settles while it does", async () => {
    const { dispatcher, time, log } = bench({ concurrency: 1 });
    const key = {};
    dispatcher.submit(
      key,
      done(async (call) => {
        await call.rest(1000);
        log.push(`${call.signal.reason}`);
        await call.rest(1000); // not any more
      }),
    );
    dispatcher.cancel(key, "gone");
    await settled();
    assert.deepEqual([log, dispatcher.pending(key)], [["gone"], 0]);
    dispatcher.submit(
      key,
      done(async (call) => void call.rest(1000)),
    );
    await settled();
    assert.equal(dispatcher.pending(key), 0);
    time.advance(2000);
    assert.equal(dispatcher.running, 0);
    await dispatcher.idle();
  });

  it("is not idle while a task rests", async () => {
    const { dispatcher, time } = bench();
    dispatcher.submit(
      {},
      done((call) => call.rest(10)),
    );
    let isIdle = false;
    const idle = dispatcher.idle().then(() => (isIdle = true));
    await settled();
    assert.equal(isIdle, false);
    time.advance(10);
    assert.ok(await idle);
  });

  it("cancels all keys", async () => {
    const { dispatcher, job } = bench({ concurrency: 3 });
    const jobs = Array.from({ length: 5 }, (_, i) => job(`${i}`));
    for (const each of jobs) dispatcher.submit({}, each);
    dispatcher.cancelAll("closing");
    assert.deepEqual(
      jobs.map((each) => each.call?.signal.reason),
      ["closing", "closing", "closing", undefined, undefined],
    );
    assert.equal(dispatcher.queued, 0);
  });

  it("says when nothing runs or waits any more", async () => {
    const { dispatcher, job } = bench({ concurrency: 1 });
    await dispatcher.idle();
    const jobs = [job("1"), job("2")];
    for (const each of jobs) dispatcher.submit({}, each);
    let isIdle = false;
    const idle = dispatcher.idle().then(() => (isIdle = true));
    await jobs[0]!.end();
    assert.equal(isIdle, false);
    await jobs[1]!.end();
    assert.ok(await idle);
  });

  it("waits for that no longer than it is told to", async () => {
    const { dispatcher, job } = bench();
    const slow = job("slow");
    dispatcher.submit({}, slow);
    await assert.rejects(dispatcher.idle({ timeoutMs: 1 }), TimeoutError);
    await assert.rejects(dispatcher.idle({ signal: AbortSignal.abort() }), AbortedError);
    await assert.rejects(dispatcher.idle({ timeoutMs: 0 }), InvalidArgumentError);
    const idle = dispatcher.idle();
    dispatcher.cancelAll("closing");
    await slow.end();
    await idle;
  });

  it("goes on with other limits when they change", async () => {
    const { dispatcher, log, job } = bench({ concurrency: 1 });
    for (const name of ["1", "2", "3"]) dispatcher.submit({}, job(name));
    assert.throws(() => dispatcher.update({ concurrency: 0 }), InvalidArgumentError);
    dispatcher.update({ concurrency: 2, maxQueued: 1 });
    assert.deepEqual(log, ["1", "2"]);
    assert.equal(dispatcher.submit({}, job("4")), "full");
    const key = {};
    dispatcher.update({ concurrency: 10, concurrencyPerKey: 1 });
    const jobs = ["a", "b", "c"].map(job);
    for (const each of jobs) dispatcher.submit(key, each);
    dispatcher.update({ concurrency: 10, concurrencyPerKey: 3 });
    assert.deepEqual(log, ["1", "2", "3", "a", "b", "c"]);
    dispatcher.update({ concurrency: 10, concurrencyPerKey: 1 });
    dispatcher.submit(key, job("d"));
    await jobs[0]!.end();
    await jobs[1]!.end();
    assert.equal(log.at(-1), "c");
    await jobs[2]!.end();
    assert.equal(log.at(-1), "d");
  });

  it("refuses limits that are none", () => {
    for (const name of [
      "concurrency",
      "maxQueued",
      "concurrencyPerKey",
      "maxQueuedPerKey",
      "timeoutMs",
      "graceMs",
    ]) {
      assert.throws(() => new Dispatcher({ [name]: -1 }), new RegExp(`${name} must be an integer`));
    }
  });
});
