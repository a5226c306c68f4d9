import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { Dispatcher } from "#internal/dispatch/dispatcher.js";
import type { ReadDispatcherOptions } from "#internal/dispatch/options.js";
import type { Task } from "#internal/dispatch/task.js";
import { VirtualTime } from "../kit/virtual_time.js";

type Fate = "waits" | "runs" | "ended" | "failed" | "dropped" | "refused";

/** A task as the test sees it. */
interface Job {
  readonly key: number;
  readonly ordinal: number;
  fate: Fate;
  settle: (() => void) | undefined;
}

const keyCount = 4;
const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constant("submit" as const), key: fc.nat(keyCount - 1), at: fc.nat(3) }),
  },
  { weight: 5, arbitrary: fc.record({ do: fc.constant("settle" as const), at: fc.nat(50) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("cancel" as const), key: fc.nat(keyCount - 1) }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant("advance" as const), ms: fc.constantFrom(10, 60, 200) }),
  },
);

const limits = fc.record({
  concurrency: fc.integer({ min: 1, max: 4 }),
  maxQueued: fc.nat(8),
  concurrencyPerKey: fc.integer({ min: 1, max: 2 }),
  maxQueuedPerKey: fc.nat(5),
  timeoutMs: fc.constantFrom(0, 100),
  graceMs: fc.constantFrom(0, 50),
});

/** Drives a dispatcher, keeps its own account of every task, and compares the two. */
class Run {
  readonly time = new VirtualTime();
  readonly dispatcher: Dispatcher;
  readonly #limits: ReadDispatcherOptions;
  readonly #keys = Array.from({ length: keyCount }, () => ({}));
  readonly jobs: Job[] = [];
  /** In the order in which they started. */
  readonly #started: Job[] = [];

  constructor(options: ReadDispatcherOptions) {
    this.#limits = options;
    this.dispatcher = new Dispatcher(options, this.time);
  }

  /** @param kind 0: a promise that the test settles; 1: returns at once; 2: throws at once; 3: rests first, then as 0. */
  submit(key: number, kind: number): void {
    const job: Job = { key, ordinal: this.jobs.length, fate: "waits", settle: undefined };
    const task: Task = {
      run: (call) => {
        assert.equal(job.fate, "waits", "a task runs once");
        this.#started.push(job);
        job.fate = "runs";
        if (kind === 1) job.fate = "ended";
        if (kind === 2) throw new Error("on purpose");
        if (kind === 1) return undefined;
        const settled = new Promise<void>((resolve) => {
          job.settle = resolve;
        });
        const rested = kind === 0 ? settled : call.rest(30).then(() => settled);
        return rested.then(() => {
          if (job.fate === "runs") job.fate = "ended"; // now, and not when the test said so: it may have rested still
        });
      },
      fail: () => {
        assert.equal(job.fate, "runs", "only what runs fails, and once");
        job.fate = "failed";
      },
    };
    this.jobs.push(job);
    const waiting = this.jobs.filter((each) => each.fate === "waits" && each !== job);
    const waitingOfKey = waiting.filter((each) => each.key === key);
    const wasStarted = this.#started.length;
    const answer = this.dispatcher.submit(this.#keys[key]!, task);
    if (answer === "full") {
      job.fate = "refused";
      assert.ok(
        waiting.length >= this.#limits.maxQueued || waitingOfKey.length >= this.#limits.maxQueuedPerKey,
        "it is refused only at a limit",
      );
    }
    assert.equal(answer === "started", this.#started[wasStarted] === job, "started means that it has");
  }

  async settle(at: number): Promise<void> {
    const open = this.#started.filter((each) => each.settle !== undefined);
    const job = open[at % Math.max(1, open.length)];
    job?.settle?.();
    if (job !== undefined) job.settle = undefined;
    await new Promise(setImmediate); // until the dispatcher has heard
  }

  cancel(key: number): void {
    for (const job of this.jobs) if (job.key === key && job.fate === "waits") job.fate = "dropped";
    // What runs is told to stop, and no failure is told of it any more.
    for (const job of this.jobs) if (job.key === key && job.fate === "runs") job.fate = "ended";
    this.dispatcher.cancel(this.#keys[key]!, "cancelled");
  }

  check(): void {
    const { concurrency, concurrencyPerKey, maxQueued, maxQueuedPerKey } = this.#limits;
    const waiting = this.jobs.filter((job) => job.fate === "waits");
    assert.equal(
      this.dispatcher.queued,
      waiting.length,
      "what waits is what was neither started nor dropped",
    );
    assert.ok(waiting.length <= maxQueued && this.dispatcher.running <= concurrency);
    let isAnyReady = false;
    assert.ok(this.dispatcher.running >= 0);
    for (const [at, key] of this.#keys.entries()) {
      const own = waiting.filter((job) => job.key === at).length;
      const running = this.dispatcher.pending(key) - own;
      assert.ok(own <= maxQueuedPerKey && running <= concurrencyPerKey && running >= 0);
      isAnyReady ||= own > 0 && running < concurrencyPerKey;
      const ordinals = this.#started.filter((job) => job.key === at).map((job) => job.ordinal);
      assert.deepEqual(
        ordinals,
        ordinals.toSorted((a, b) => a - b),
        "a key's tasks start in order",
      );
    }
    assert.ok(
      !isAnyReady || this.dispatcher.running === concurrency,
      "no place is free while one could use it",
    );
  }
}

describe("a dispatcher, whatever is done to it,", () => {
  it("keeps its limits and each key's order, leaves no place idle, and loses nothing", async () => {
    await fc.assert(
      fc.asyncProperty(limits, fc.array(step, { maxLength: 80 }), async (options, steps) => {
        const run = new Run(options);
        for (const each of steps) {
          if (each.do === "submit") run.submit(each.key, each.at);
          else if (each.do === "settle") await run.settle(each.at);
          else if (each.do === "cancel") run.cancel(each.key);
          else run.time.advance(each.ms);
          run.check();
        }
        // Each turn lets at least one more start, so this many are enough.
        for (let i = 0; i <= run.jobs.length; i += 1) {
          await run.settle(0);
          run.time.advance(30);
        }
        run.time.advance(1000); // gives up what was cancelled without being asked
        run.check();
        assert.deepEqual([run.dispatcher.running, run.dispatcher.queued], [0, 0]);
        for (const job of run.jobs) assert.notEqual(job.fate, "waits", "everything has a fate");
        const { rejected, dropped, started } = run.dispatcher.counters;
        assert.equal(rejected + dropped + started, run.jobs.length);
      }),
      { numRuns: 400 },
    );
  });
});
