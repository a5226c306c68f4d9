import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { AbortedError, InvalidArgumentError } from "millrace";
import { FailureCode, type Reply, RequestFailure, type ServerBehaviour } from "millrace/server";
import { createPair, installFakeClock } from "millrace/testing";
import { readClientOptions } from "#internal/client/options.js";
import { Repeater } from "#internal/client/repeater.js";
import { RequestBudget } from "#internal/delivery/pending_requests.js";
import type { RetryOptions } from "#internal/delivery/send_options.js";
import { deferred } from "../kit/deferred.js";
import { until } from "../kit/until.js";
import { VirtualTime } from "../kit/virtual_time.js";

const refused = (retryAfterMs?: number, code: number = FailureCode.overloaded): Reply => ({
  ...{ status: "failure", code, reason: "not now" },
  ...(retryAfterMs !== undefined && { retryAfterMs }),
});
const answered = { status: "success" } as Reply;

/** Asks in a time that stands still, and lets it go on until that has come to an end. */
async function play(replies: readonly Reply[], options: RetryOptions & { readonly hasId?: boolean } = {}) {
  const time = new VirtualTime();
  const budget = new RequestBudget(10);
  const asked: [atMs: number, timeoutMs: number][] = [];
  const ask = async (timeoutMs: number) => {
    asked.push([time.now(), timeoutMs]);
    return replies[asked.length - 1]!;
  };
  const { hasId, ...how } = { retries: 3, retryDelayMs: 100, timeoutMs: 10_000, ...options };
  let reply: Reply | undefined;
  const gone = new Repeater(readClientOptions({}), time, budget).ask(ask, how, hasId).then((last) => {
    reply = last;
  });
  for (let i = 0; i < 1_000 && reply === undefined; i += 1) {
    await new Promise(setImmediate);
    time.advance(10);
  }
  await gone;
  return { reply: reply!, asked, pending: time.pending, places: budget.current };
}

describe("a request that is asked again", () => {
  it("waits longer each time, by chance, and is given the time that is left", async (t) => {
    t.mock.method(Math, "random", () => 0.5);
    const { reply, asked } = await play([refused(), refused(), refused(), answered]);
    assert.equal(reply, answered);
    assert.deepEqual(asked, [
      [0, 10_000],
      [50, 9_950],
      [150, 9_850],
      [350, 9_650],
    ]);
  });

  it("has its last answer where no try is left", async () => {
    const last = refused(undefined, FailureCode.timeout);
    const { reply, asked } = await play([refused(), refused(), last], { retries: 2 });
    assert.equal(reply, last);
    assert.equal(asked.length, 3);
  });

  it("is asked once where nobody wants more", async () => {
    const first = refused();
    const { reply, asked } = await play([first], { retries: 0 });
    assert.equal(reply, first);
    assert.equal(asked.length, 1);
  });

  it("does not wait beyond its own time, and says at once what it was told", async (t) => {
    t.mock.method(Math, "random", () => 0.5);
    const first = refused(20_000);
    const { reply, asked, pending, places } = await play([first]);
    assert.equal(reply, first);
    assert.deepEqual([asked.length, pending, places], [1, 0, 0]);
  });

  it("waits as long as the other side says at the least", async (t) => {
    t.mock.method(Math, "random", () => 0.5);
    const { asked } = await play([refused(1_000), refused(0), answered]);
    assert.deepEqual(
      asked.map(([atMs]) => atMs),
      [0, 1_050, 1_150],
    );
  });

  it("is one that passes by itself, or of which the other side says when", async () => {
    const { overloaded, timeout, goingAway } = FailureCode;
    const passing: number[] = [];
    for (const code of [...Object.values(FailureCode), 1_000]) {
      const { asked } = await play([refused(undefined, code), answered]);
      if (asked.length > 1) passing.push(code);
    }
    assert.deepEqual(passing, [overloaded, timeout, goingAway]);
    const late = refused(undefined, timeout);
    assert.equal((await play([late, answered], { hasId: true })).reply, late, "that is the answer of its id");
    assert.equal((await play([refused(), answered], { hasId: true })).reply, answered);
    const told = await play([refused(10, 1_000), answered]);
    assert.equal(told.reply, answered);
  });

  it("takes no place where as many wait as may, and gives its own back", async () => {
    const time = new VirtualTime();
    const budget = new RequestBudget(1);
    const repeater = new Repeater(readClientOptions({}), time, budget);
    const how = { retries: 1, retryDelayMs: 100 };
    const replies = [refused(), answered];
    const first = repeater.ask(async () => replies.shift()!, how);
    await new Promise(setImmediate);
    const other = refused();
    assert.equal(await repeater.ask(async () => other, how), other);
    time.advance(100);
    assert.equal(await first, answered);
    assert.equal(budget.current, 0);
  });

  it("ends with its signal, and with its session", async () => {
    const time = new VirtualTime();
    const budget = new RequestBudget(10);
    const repeater = new Repeater(readClientOptions({}), time, budget);
    const how = { retries: 1, retryDelayMs: 100 };
    const controller = new AbortController();
    const aborted = repeater.ask(async () => refused(), { ...how, signal: controller.signal });
    await new Promise(setImmediate);
    controller.abort();
    await assert.rejects(aborted, AbortedError);
    const lost = repeater.ask(async () => refused(), how);
    await new Promise(setImmediate);
    repeater.end();
    assert.deepEqual(await lost, {
      ...{ status: "failure", code: FailureCode.lost, reason: "the session ended" },
    });
    assert.deepEqual([time.pending, budget.current], [0, 0]);
    const late = refused();
    assert.equal(await repeater.ask(async () => late, how), late, "which nobody waits for any more");
  });
});

describe("requests of a session", () => {
  /** Refuses so many times before it answers with what was asked. */
  const refusing = (times: number, seen: string[]): ServerBehaviour => ({
    requests: {
      ask: (_session, request) => {
        seen.push(request.text());
        if (seen.length > times) return request.text();
        throw new RequestFailure("not now", FailureCode.overloaded, { retryAfterMs: 5 });
      },
    },
  });

  it("are asked again as often as they say, with what they said at first", async () => {
    const seen: string[] = [];
    await using pair = await createPair({ serverBehaviour: refusing(2, seen) });
    const payload = new TextEncoder().encode("tea");
    const asked = pair.client.request("ask", payload, { idempotent: true, retries: 2, retryDelayMs: 1 });
    payload.fill(0);
    const reply = await asked;
    assert.ok(reply.status === "success");
    assert.deepEqual([reply.text(), ...seen], ["tea", "tea", "tea", "tea"]);
  });

  it("are handled again under their id where they were told when to come again", async () => {
    for (const code of [FailureCode.timeout, FailureCode.goingAway, 1_000]) {
      let times = 0;
      await using pair = await createPair({
        serverBehaviour: {
          requests: {
            ask: () => {
              times += 1;
              if (times > 2) return "done";
              throw new RequestFailure("later", code, { retryAfterMs: 5 });
            },
          },
        },
      });
      const how = { idempotent: true, retries: 5, retryDelayMs: 1, messageId: "order 1" };
      const reply = await pair.client.request("ask", "", how);
      assert.deepEqual([reply.status === "success" && reply.text(), times], ["done", 3]);
      assert.equal((await pair.client.request("ask", "", how)).status, "success");
      assert.equal(times, 3, "it is done once");
    }
  });

  it("are not asked again under their id where that took too long", async (t) => {
    let times = 0;
    await using pair = await createPair({
      serverBehaviour: {
        requests: {
          ask: () => {
            times += 1;
            throw new RequestFailure("it took too long", FailureCode.timeout);
          },
        },
      },
    });
    t.mock.method(Math, "random", () => 0.5);
    let reply: Reply | undefined;
    const how = { idempotent: true, retries: 5, retryDelayMs: 60_000, timeoutMs: 3_600_000 };
    void pair.client.request("ask", "", { ...how, messageId: "order 1" }).then((told) => {
      reply = told;
    });
    await pair.client.ping(); // the failure has come before the answer to it
    await new Promise(setImmediate);
    assert.equal(reply?.status, "failure");
    assert.equal(times, 1);
  });

  it("are asked again as their session says, where they may be done twice, and else once", async () => {
    const seen: string[] = [];
    await using pair = await createPair({
      serverBehaviour: refusing(100, seen),
      client: { requestRetries: 3, requestRetryDelayMs: 1 },
    });
    const once = await pair.client.request("ask");
    assert.deepEqual(once, {
      ...{ status: "failure", code: FailureCode.overloaded, reason: "not now", retryAfterMs: 5 },
    });
    assert.equal(seen.length, 1);
    await pair.client.request("ask", "", { idempotent: true });
    assert.equal(seen.length, 5);
    await pair.client.request("ask", "", { idempotent: true, retries: 0 });
    assert.equal(seen.length, 6);
    await assert.rejects(pair.client.request("ask", "", { retries: 1 }), InvalidArgumentError);
  });

  it("are asked again within their own time only", async (t) => {
    const clock = installFakeClock();
    t.after(() => clock.uninstall());
    const seen: string[] = [];
    await using pair = await createPair({
      serverBehaviour: refusing(100, seen),
      client: { heartbeatMs: 3_600_000 },
    });
    const beganAtMs = clock.nowMs;
    const asked = pair.client.request("ask", "", {
      ...{ idempotent: true, retries: 100, retryDelayMs: 100, timeoutMs: 2_000 },
    });
    let isOver = false;
    const over = asked.then(() => {
      isOver = true;
    });
    await until("it has come to an end", async () => {
      await clock.advance(10);
      return isOver;
    });
    await over;
    const reply = await asked;
    assert.ok(reply.status === "failure" && reply.code === FailureCode.overloaded);
    assert.ok(seen.length > 3, `${seen.length} times`);
    assert.ok(clock.nowMs - beganAtMs <= 2_010);
  });

  it("fail with their session at once while they wait to be asked again", async () => {
    const refusedOnce = deferred();
    await using pair = await createPair({
      serverBehaviour: {
        requests: {
          ask: () => {
            refusedOnce.resolve();
            throw new RequestFailure("not now", FailureCode.overloaded, { retryAfterMs: 20_000 });
          },
        },
      },
    });
    const asked = pair.client.request("ask", "", { idempotent: true, retries: 5 });
    await refusedOnce.promise;
    await pair.client.ping(); // the refusal has come before the answer to it
    await pair.client.close();
    const reply = await asked;
    assert.equal(reply.status, "failure");
  });
});
