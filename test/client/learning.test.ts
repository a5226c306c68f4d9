import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Experience } from "#internal/client/experience.js";
import { type ExperienceSource, Learning } from "#internal/client/learning.js";
import { deferred } from "../kit/deferred.js";
import { VirtualTime } from "../kit/virtual_time.js";

function learning(source: ExperienceSource) {
  const time = new VirtualTime();
  const totals = { messagesSent: 0, bytesSent: 0, messagesReceived: 0, bytesReceived: 0 };
  const taught = new Learning(source, time, () => ({ ...totals }));
  const told: [string, number, number][] = [];
  const tell = (what: string) =>
    taught.tell((_experience, { nowMs, totals: { messagesSent } }) => told.push([what, nowMs, messagesSent]));
  return { time, totals, taught, told, tell };
}

describe("what a session learns of its connections", () => {
  it("keeps its moment, and its order, until there is who learns it", async () => {
    const loaded = deferred<Experience>();
    const { time, totals, taught, told, tell } = learning(() => loaded.promise);
    tell("before the session is open");
    taught.begin();
    time.advance(10);
    totals.messagesSent = 1;
    tell("while it is loaded");
    assert.deepEqual(told, []);
    time.advance(90);
    totals.messagesSent = 2;
    loaded.resolve(new Experience());
    await taught.experience();
    tell("later");
    assert.deepEqual(told, [
      ["before the session is open", 0, 0],
      ["while it is loaded", 10, 1],
      ["later", 100, 2],
    ]);
  });

  it("is one, however often it is asked for", async () => {
    let made = 0;
    const { taught, told, tell } = learning(() => {
      made += 1;
      return new Experience();
    });
    tell("first");
    assert.equal(made, 0, "nobody needs it before the session is open");
    taught.begin();
    const [one, other] = await Promise.all([taught.experience(), taught.experience()]);
    assert.equal(one, other);
    assert.equal(await taught.experience(), one);
    assert.equal(told.length, 1);
    assert.ok(made <= 3, `${made}`);
  });

  it("is tried to be loaded again where that has failed, and says so to who asks", async () => {
    const tries: (() => Promise<Experience>)[] = [
      () => Promise.reject(new Error("offline")),
      () => Promise.reject(new Error("offline still")),
      async () => new Experience(),
    ];
    const { taught, told, tell } = learning(() => tries.shift()!());
    tell("lost");
    taught.begin();
    await assert.rejects(taught.experience(), /offline still/);
    assert.equal(taught.everyMs(15_000), 15_000, "as it is agreed");
    await taught.experience();
    assert.equal(told.length, 1);
  });

  it("has a bound while it cannot be loaded", async () => {
    let loads = false;
    const { taught, told, tell } = learning(async () => {
      if (!loads) throw new Error("offline");
      return new Experience();
    });
    for (let i = 0; i < 5_000; i += 1) tell("lost");
    loads = true;
    await taught.experience();
    assert.equal(told.length, 1_000);
  });

  it("slows down or hurries the heartbeat of the next connection", async () => {
    const { time, taught } = learning(async () => new Experience());
    taught.tell(({ pace }, { nowMs }) => pace.lost(60_000, nowMs));
    assert.equal(taught.everyMs(60_000), 60_000);
    await taught.experience();
    assert.equal(taught.everyMs(60_000), 30_000);
    time.advance(3_600_000);
    assert.equal(taught.everyMs(60_000), 60_000);
  });
});
