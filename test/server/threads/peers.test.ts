import assert from "node:assert/strict";
import { describe, it, test } from "node:test";
import { InternalError, ProtocolViolationError, ResourceExhaustedError } from "millrace";
import { createServer, FailureCode } from "millrace/server";
import { encodeCommand, readCommand } from "#internal/server/threads/command.js";
import { Elsewhere } from "#internal/server/threads/elsewhere.js";
import { enterGroup } from "#internal/server/threads/group.js";
import { PeerKind } from "#internal/server/threads/peer_kind.js";
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

describe("requests to another environment", () => {
  it("get no answer that its predecessor gave to others", async () => {
    const asking = Peers.create({ maxSessions: 4, maxEnvironments: 2 });
    const elsewhere = new Elsewhere(asking);
    const ask = (owner: Peers) =>
      elsewhere.request(
        { handle: owner.sessions.allocate(), owner: owner.environment },
        "a",
        new Uint8Array(1),
      );
    const before = Peers.join(asking.group);
    asking.sessions.maintain();
    const lost = ask(before);
    const { environment } = before;
    before.close();
    asking.sessions.maintain();
    assert.equal((await lost).status, "failure");
    const successor = Peers.join(asking.group);
    assert.equal(successor.environment, environment);
    const asked = ask(successor);
    const reply = (id: number, text: string) =>
      successor.post(
        asking.environment,
        PeerKind.reply,
        encodeCommand({ id, payload: Buffer.from(text), details: { status: "success" } }),
      );
    reply(1, "as the first request of whoever had this number was answered");
    successor.onPost(PeerKind.request, (bytes) => reply(readCommand(bytes).id, "now"));
    const answer = await asked;
    assert.equal(answer.status === "success" && answer.text(), "now");
    successor.close();
    asking.close();
  });
});

test("a session's end is told to a thread that keeps up no more as far as there is room, and is no fault", () => {
  const sender = Peers.create({ maxSessions: 4, maxEnvironments: 2 });
  const receiver = Peers.join(sender.group);
  const elsewhere = new Elsewhere(sender);
  const order = () => elsewhere.order(receiver.environment, 40, { reason: "x".repeat(30_000) });
  assert.throws(() => {
    for (;;) order();
  }, ResourceExhaustedError);
  elsewhere.rename("client");
  assert.throws(order, ResourceExhaustedError);
  receiver.close();
  sender.close();
});

describe("a server among peers", () => {
  it("answers who asks sessions of other threads, and lists them, when it is closed", async () => {
    const silent = Peers.create({ maxSessions: 4, maxEnvironments: 2 });
    const handle = silent.sessions.allocate();
    const id = new Uint32Array([1, 2, 3, 4]);
    assert.ok(silent.sessions.open(handle, { transport: 0, connection: 0, id }, 0));
    enterGroup({ group: silent.group, boundUrls: [], acceptsAlone: true, listens: () => {} });
    const server = await createServer({ listen: "tcp://127.0.0.1:0" }, {});
    const asked = server.request(Buffer.from(id.buffer).toString("hex"), "anything", "", {
      timeoutMs: 3_600_000,
    });
    const listed = server.list({ timeoutMs: 3_600_000 });
    await server.close({ graceful: false });
    assert.deepEqual(await asked, {
      status: "failure",
      code: FailureCode.lost,
      reason: "the server is closed",
    });
    assert.deepEqual((await listed).sessions, []);
    silent.close();
  });
});
