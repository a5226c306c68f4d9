import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { InternalError, ProtocolViolationError } from "millrace";
import { createServer } from "millrace/server";
import { enterGroup } from "#internal/server/threads/group.js";
import { Peers } from "#internal/server/threads/peers.js";
import { until } from "../../kit/until.js";

function pair(): [Peers, Peers] {
  const first = Peers.create({ maxSessions: 4, maxEnvironments: 3 });
  return [first, Peers.join(first.group)];
}

describe("peers of a group", () => {
  it("take by kind what others post to them or to their sessions", async () => {
    const [first, second] = pair();
    const got: [string, number, number][] = [];
    first.onPost(40, (bytes, sender) => got.push(["post", bytes.length, sender]));
    first.onSessionPost(40, (at, bytes, sender) =>
      got.push([`session ${at === handle}`, bytes.length, sender]),
    );
    const handle = first.sessions.allocate();
    assert.deepEqual(second.others, [first.environment]);
    assert.equal(second.post(first.environment, 40, new Uint8Array(3)), "sent");
    assert.equal(second.sendTo(handle, 40, new Uint8Array(4)), "sent");
    await until("all came", () => got.length === 2);
    assert.deepEqual(got, [
      ["post", 3, second.environment],
      ["session true", 4, second.environment],
    ]);
    assert.throws(() => first.onPost(40, () => {}), InternalError);
    assert.throws(() => first.onSessionPost(40, () => {}), InternalError);
    second.close();
    first.close();
  });

  it("count what nobody takes and what is written wrong, and report what a handler throws", async () => {
    const [first, second] = pair();
    const faults: unknown[] = [];
    const broken = new Error("broken");
    first.onFault((cause) => faults.push(cause));
    first.onPost(41, () => {
      throw new ProtocolViolationError("not so");
    });
    first.onPost(42, () => {
      throw broken;
    });
    for (const kind of [40, 41, 42]) second.post(first.environment, kind, new Uint8Array(1));
    await until("all were looked at", () => first.refused === 2 && faults.length === 1);
    assert.deepEqual(faults, [broken]);
    second.close();
    first.close();
  });

  it("learn who has left", async () => {
    const [first, second] = pair();
    const left: number[] = [];
    first.onLeft((environment) => left.push(environment));
    first.sessions.maintain();
    second.close();
    await until("it is told", () => left.length === 1);
    assert.deepEqual(left, [second.environment]);
    assert.deepEqual(first.others, []);
    first.close();
  });

  it("are servers: the one that begins in a thread of a group joins it, and there is one at a time", async () => {
    const main = Peers.create({ maxSessions: 4, maxEnvironments: 2 });
    main.countSessions(-1);
    enterGroup({ group: main.group, boundUrls: [], acceptsAlone: true, listens: () => {} });
    const options = { listen: "tcp://127.0.0.1:0" };
    const server = await createServer(options, {});
    assert.equal(main.others.length, 1);
    await assert.rejects(createServer(options, {}), { code: "ERR_MILLRACE_SERVER_IN_USE" });
    await server.close();
    assert.deepEqual(main.others, []);
    await assert.rejects(createServer({ ...options, topics: { maxTopics: -1 } }, {}), {
      code: "ERR_MILLRACE_INVALID_ARGUMENT",
    });
    const next = await createServer(options, {});
    assert.equal(main.others.length, 1);
    await next.close();
    main.close();
  });
});
