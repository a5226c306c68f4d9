import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { availableParallelism } from "node:os";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import type { Publication } from "millrace/client";
import { FailureCode, startWorkers, type WorkersOptions } from "millrace/server";
import { restartDelayMs } from "#internal/server/workers/worker_slot.js";
import { until } from "../../kit/until.js";
import { ask, join, joinElsewhere, moduleNamed, startApp, untilHeard } from "./kit.js";

function source(text: string): URL {
  return new URL(`data:text/javascript,${encodeURIComponent(text)}`);
}

const failed = "ERR_MILLRACE_WORKER_FAILED";

describe("workers that cannot begin", () => {
  test("are refused with what is wrong with their options", async () => {
    const module = moduleNamed("app");
    const wrong: [object, RegExp][] = [
      [{}, /module must be a URL of file:, data: or node:, or an absolute path/],
      [{ module: "./app.js" }, /module must be/],
      [{ module, workers: 0 }, /workers must be an integer from 1 to 63, or "auto"/],
      [{ module, workers: 64 }, /workers/],
      [{ module, workers: "many" }, /workers/],
      [{ module, inboxBytes: 100_000 }, /inboxBytes must be a power of two/],
      [{ module, maxSessions: 1 }, /maxSessions/],
      [{ module, startTimeoutMs: 1 }, /startTimeoutMs/],
      [{ module, workerData: () => 1 }, /workerData must be anything that can be cloned/],
      [{ module, worker: 2 }, /did you mean workers/],
    ];
    for (const [options, message] of wrong) {
      await assert.rejects(startWorkers(options as WorkersOptions), {
        code: "ERR_MILLRACE_INVALID_ARGUMENT",
        message,
      });
    }
    await assert.rejects(startWorkers({ module }, { workerExit: 1 } as never), {
      message: /behaviour\.workerExit must be a function/,
    });
  });

  test("say that their module is missing", async () => {
    const module = moduleNamed("nowhere");
    await assert.rejects(startWorkers({ module, workers: 1 }), (error: Error & { code: string }) => {
      assert.equal(error.code, failed);
      assert.match(error.message, /millrace-1 could not run .*nowhere\.js: Cannot find module/);
      assert.equal((error.cause as { code: string }).code, "ERR_MODULE_NOT_FOUND");
      return true;
    });
  });

  test("say what their module threw", async () => {
    const module = source('throw new RangeError("not today")');
    await assert.rejects(startWorkers({ module, workers: 2 }), (error: Error & { code: string }) => {
      assert.equal(error.code, failed);
      assert.match(error.message, /not today/);
      assert.ok(error.cause instanceof RangeError);
      return true;
    });
  });

  test("say why their server could not be made", async () => {
    const workerData = { options: { listen: "tcp://127.0.0.1:0", maxMessageBytes: -1 } };
    const started = startWorkers({ module: moduleNamed("app"), workers: 1, workerData });
    await assert.rejects(started, (error: Error & { code: string }) => {
      assert.equal(error.code, failed);
      assert.equal((error.cause as { code: string }).code, "ERR_MILLRACE_INVALID_ARGUMENT");
      assert.match(error.message, /maxMessageBytes/);
      return true;
    });
  });

  test("say that their module made no server, even where it lets nobody interrupt it", async () => {
    for (const text of ["setInterval(() => {}, 1000)", "for (;;);", "1"]) {
      await assert.rejects(startWorkers({ module: source(text), workers: 1, startTimeoutMs: 300 }), {
        code: failed,
        message: /made no server within 300 ms \(startTimeoutMs\): it has to call createServer/,
      });
    }
  });

  test("say that they ended without a server", async () => {
    const module = source("process.exit()");
    await assert.rejects(startWorkers({ module, workers: 1 }), { code: failed, message: /it ended before/ });
  });
});

test("a worker that listened has begun, also where its end is heard of first", async () => {
  const hasEnded = new Int32Array(new SharedArrayBuffer(4));
  const module = source(`
    import { workerData } from "node:worker_threads";
    import { createServer } from ${JSON.stringify(import.meta.resolve("millrace/server"))};
    process.once("exit", () => {
      Atomics.store(workerData, 0, 1);
      Atomics.notify(workerData, 0);
    });
    await createServer({ listen: "tcp://127.0.0.1:0" }, {});
    setImmediate(() => {
      throw new Error("not again");
    });
  `);
  const exits: unknown[] = [];
  const starting = startWorkers(
    { module, workers: 1, workerData: hasEnded },
    { workerExit: (_worker, cause) => exits.push(cause), workerFailing: () => {} },
  );
  assert.notEqual(Atomics.wait(hasEnded, 0, 0, 60_000), "timed-out");
  // This thread hears of nothing until the other is gone: else it would have heard that it listens, mostly.
  Atomics.wait(hasEnded, 0, 1, 500);
  const group = await starting;
  assert.equal(group.urls.length, 1);
  await until("its end is told", () => exits.length > 0);
  assert.match(String(exits[0]), /not again/);
  await group.close();
});

test("workers that could not begin leave nothing behind that keeps the process alive", async () => {
  const timers = () => process.getActiveResourcesInfo().filter((name) => name === "Timeout").length;
  const before = timers();
  await assert.rejects(startWorkers({ module: source("throw 1"), workers: 1 }), { code: failed });
  assert.equal(timers(), before);
});

test("a request to a thread that does not answer any more ends with its group", async (t) => {
  const group = await startApp(t, { listen: "tcp://127.0.0.1:0" }, { workers: 1 });
  const member = await join(t, group.urls[0]!);
  member.client.send("spin");
  const asked = group.request(member.id, "never", "", { timeoutMs: 3_600_000 });
  await group.close({ graceful: false });
  const reply = await asked;
  assert.equal(reply.status === "failure" && reply.code, FailureCode.lost);
});

describe("the workers of a group", () => {
  test("are as many as were asked for, and auto is as many as run at once", async (t) => {
    const listen = "tcp://127.0.0.1:0";
    const group = await startApp(t, { listen }, { workers: "auto" });
    assert.equal(group.workers.length, availableParallelism());
    assert.deepEqual(
      group.workers.map(({ state, restarts }) => [state, restarts]),
      group.workers.map(() => ["listening", 0]),
    );
  });

  for (const scheme of ["ws", "quic"]) {
    test(`accept on one port of ${scheme} all together`, async (t) => {
      const group = await startApp(t, { listen: `${scheme}://127.0.0.1:0` });
      const threads: string[] = [];
      for (let found = 0; found < 3; found += 1) {
        threads.push((await joinElsewhere(t, group.urls[0]!, threads)).thread);
      }
      assert.equal(new Set(threads).size, 3);
    });
  }

  test("run a module that is named by its path", async (t) => {
    const module = fileURLToPath(moduleNamed("app"));
    const group = await startApp(t, { listen: "tcp://127.0.0.1:0" }, { module, workers: 1 });
    assert.equal(await ask((await join(t, group.urls[0]!)).client, "count"), "1");
  });

  test("have maxSessions all together", async (t) => {
    const group = await startApp(t, { listen: "ws://127.0.0.1:0" }, { maxSessions: 4 });
    const members = await Promise.all(Array.from({ length: 4 }, () => join(t, group.urls[0]!)));
    assert.equal(group.sessionCount, 4);
    await assert.rejects(join(t, group.urls[0]!), { code: "ERR_MILLRACE_SESSION_REFUSED" });
    await members[0]!.client.close();
    await until("one is gone", () => group.sessionCount === 3);
    await join(t, group.urls[0]!);
  });

  test("take from each other what fits into half of an inbox, and say so of all else", async (t) => {
    const listen = "ws://127.0.0.1:0";
    const small = await startApp(t, { listen }, { workers: 1, inboxBytes: 65_536 });
    const member = await join(t, small.urls[0]!);
    assert.equal(small.sendTo(member.id, "x".repeat(32_000)), "sent");
    assert.throws(() => small.sendTo(member.id, "x".repeat(33_000)), {
      code: "ERR_MILLRACE_FRAME_TOO_LARGE",
      message: /inboxBytes/,
    });
    await untilHeard(member, "x".repeat(32_000));
    const large = await startApp(t, { listen }, { workers: 1 });
    const other = await join(t, large.urls[0]!);
    assert.equal(large.sendTo(other.id, "y".repeat(900_000)), "sent");
    await until("it has come", () => other.heard.length === 1);
    assert.equal(other.heard[0]!.length, 900_000);
  });

  test("publish what the thread that began them wants published, and say what came of it", async (t) => {
    const group = await startApp(t, { listen: "ws://127.0.0.1:0", maxMessageBytes: 65_536 });
    const heard: string[][] = [[], []];
    const publication = (to: string[]) => ({
      publication: (_session: unknown, { topic, type, text }: Publication) => {
        to.push(`${topic} ${type} ${text()}`);
      },
    });
    const first = await join(t, group.urls[0]!, {}, publication(heard[0]!));
    const second = await joinElsewhere(t, group.urls[0]!, [first.thread], {}, publication(heard[1]!));
    for (const { client } of [first, second]) await client.subscribe("news.*");
    // Whichever threads number them.
    const topics = Array.from({ length: 8 }, (_, index) => `news.${index}`);
    for (const sequence of [1, 2]) {
      const published = topics.map((topic) => group.publish(topic, `rain ${sequence}`, { type: 4 }));
      for (const { status, cursor, recipients } of published) {
        assert.deepEqual([status, cursor, recipients], ["posted", undefined, 0]);
      }
      for (const { outcome } of published) {
        const { status, cursor } = (await outcome)!;
        assert.deepEqual([status, cursor?.sequence], ["published", sequence]);
      }
    }
    const expected = topics.flatMap((topic) => [`${topic} 4 rain 1`, `${topic} 4 rain 2`]);
    for (const one of heard) {
      await until("all have come", () => one.length === expected.length);
      assert.deepEqual([...one].sort(), expected);
    }
    assert.throws(() => group.publish("news.*", "rain"), { code: "ERR_MILLRACE_INVALID_ARGUMENT" });
    assert.throws(() => group.publish("news.1", new Uint8Array(65_537)), {
      code: "ERR_MILLRACE_FRAME_TOO_LARGE",
      message: /maxMessageBytes/,
    });
    await group.close();
    assert.throws(() => group.publish("news.1", "too late"), { code: "ERR_MILLRACE_LISTENER_CLOSED" });
  });

  test("leave nobody in doubt of what was published where a thread does not keep up, and then ends", async (t) => {
    const group = await startApp(t, { listen: "tcp://127.0.0.1:0" }, { workers: 1 });
    const member = await join(t, group.urls[0]!);
    const first = await group.publish("news.local", "rain").outcome;
    assert.equal(first!.status, "published");
    member.client.send("spin");
    let answers = true;
    while (answers) {
      answers = await group.list({ timeoutMs: 1_000 }).then(
        () => true,
        () => false,
      );
    }
    const results = Array.from({ length: 40 }, () => group.publish("news.local", new Uint8Array(500_000)));
    assert.deepEqual([...new Set(results.map(({ status }) => status))], ["posted", "dropped"]);
    await group.close({ graceful: false });
    for (const { status, outcome } of results) {
      assert.deepEqual((await outcome)?.status, status === "posted" ? "lost" : undefined);
    }
  });

  test("say blocked and dropped where a thread does not keep up, and lose nothing that was taken", async (t) => {
    const group = await startApp(t, { listen: "ws://127.0.0.1:0" }, { workers: 1, inboxBytes: 65_536 });
    const member = await join(t, group.urls[0]!);
    const taken: string[] = [];
    const results = new Set<string>();
    for (let index = 0; index < 100; index += 1) {
      const text = `${index} ${"x".repeat(2_000)}`;
      const result = group.sendTo(member.id, text);
      results.add(result);
      if (result !== "dropped") taken.push(text);
    }
    assert.deepEqual(results, new Set(["sent", "blocked", "dropped"]));
    await until("all of it came", () => member.heard.length === taken.length);
    assert.deepEqual(member.heard, taken);
    // What is not to be lost waits for room.
    for (let index = 0; index < 100; index += 1) group.sendTo(member.id, "x".repeat(2_000));
    assert.equal(group.closeSession(member.id, { code: 400, graceful: false }), true);
    assert.equal((await member.client.closed).code, 400);
  });
});

describe("a group that closes", () => {
  test("tells clients, sends what is queued, and gives back its ports and threads", async (t) => {
    const group = await startApp(t, { listen: ["ws://127.0.0.1:0", "tcp://127.0.0.1:0"] });
    const told: string[] = [];
    const goAway = (name: string) => ({ goAway: () => void told.push(name) });
    const first = await join(t, group.urls[0]!, {}, goAway("first"));
    const second = await join(t, group.urls[1]!, {}, goAway("second"));
    assert.equal(group.broadcast("last words"), 2);
    await group.close({ spreadMs: 0 });
    assert.deepEqual(first.heard, ["last words"]);
    assert.deepEqual(second.heard, ["last words"]);
    await until("their connections have ended", () =>
      [first, second].every(({ client }) => client.state === "disconnected"),
    );
    assert.deepEqual(told.sort(), ["first", "second"]);
    assert.deepEqual(new Set(group.workers.map(({ state }) => state)), new Set(["closed"]));
    await assert.rejects(join(t, group.urls[0]!), { code: "ERR_MILLRACE_CONNECTION_REFUSED" });
    await group.close();
    assert.equal(group.sessionCount, 0);
  });

  test("ends a thread that does not answer", async (t) => {
    const group = await startApp(t, { listen: "tcp://127.0.0.1:0" }, { workers: 2 });
    const { client } = await join(t, group.urls[0]!);
    client.send("spin");
    await group.close({ graceful: false });
    assert.deepEqual(
      group.workers.map(({ state }) => state),
      ["closed", "closed"],
    );
  });

  test("begins no thread any more", async () => {
    const failing: number[] = [];
    const exits: unknown[] = [];
    const group = await startWorkers(
      { module: moduleNamed("crashing"), workers: 1 },
      {
        workerExit: (_worker, cause) => exits.push(cause),
        workerFailing: (_worker, _cause, retryMs) => failing.push(retryMs),
      },
    );
    await until("it has ended at once, again and again", () => failing.length > 0);
    assert.equal(exits.length, 3);
    assert.match(String(exits[0]), /not again/);
    assert.deepEqual(failing, [500]);
    assert.equal(group.workers[0]!.state, "waiting");
    await group.close();
    assert.deepEqual(group.workers, [{ id: 1, state: "closed", restarts: 2 }]);
  });

  test("goes with its process, sockets or not", async () => {
    const program = fileURLToPath(new URL("./exiting.js", import.meta.url));
    const [code, stdout, stderr] = await new Promise<[unknown, string, string]>((resolve) => {
      const child = execFile(process.execPath, [program], { timeout: 60_000 }, (_error, out, err) =>
        resolve([child.exitCode ?? child.signalCode, out, err]),
      );
    });
    assert.deepEqual([code, stdout.trim()], [3, "success"], stderr);
  });
});

test("a thread that ends at once is begun anew at once, twice; and then more and more slowly", () => {
  assert.deepEqual(
    [0, 1, 2, 3, 4, 5, 6, 7, 20].map(restartDelayMs),
    [0, 0, 0, 500, 1_000, 2_000, 4_000, 5_000, 5_000],
  );
});
