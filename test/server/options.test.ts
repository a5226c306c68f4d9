import assert from "node:assert/strict";
import { describe, type TestContext, test } from "node:test";
import { CloseCode, InvalidArgumentError, ResourceExhaustedError } from "millrace";
import type { ClientSession } from "millrace/client";
import {
  createServer,
  FailureCode,
  type Plugin,
  type ServerOptions,
  type ServerWarning,
  type Session,
  type SessionEnd,
} from "millrace/server";
import { Kind } from "#internal/frame/frame.js";
import { deferred } from "../kit/deferred.js";
import { Inbox } from "../kit/inbox.js";
import { until } from "../kit/until.js";
import { sessionKit } from "./suite/kit.js";
import { RawClient } from "./suite/raw_client.js";

const kit = sessionKit({ url: "tcp://127.0.0.1:0" });
const big = new Uint8Array(60_000);

/** A server, and its session with a client that reads nothing until it is told to. */
async function stalled(t: TestContext, options: Partial<ServerOptions>) {
  const opened = deferred<Session>();
  const ends: SessionEnd[] = [];
  const drained = deferred();
  const server = await kit.serve(
    t,
    {
      open: (session) => opened.resolve(session),
      drain: () => drained.resolve(),
      close: (_session, end) => ends.push(end),
    },
    options,
  );
  const got: string[] = [];
  const peer = await RawClient.connect(t, kit.under, server);
  await peer.begin(); // and never acknowledges: the window is what it names in its hello, 256 KiB
  return { server, session: await opened.promise, ends, got, peer, drained };
}

describe("the options of a server", () => {
  test("name what is wrong with them", async () => {
    const wrong: readonly [Partial<ServerOptions>, RegExp][] = [
      [{ listen: [] }, /listen must be a URL/],
      [{ maxSessions: 1 }, /maxSessions must be an integer from 2/],
      [{ sameClient: "kick" as never }, /sameClient must be "allow", "replace" or "reject"/],
      [{ limits: { unauthenticated: 0 } }, /limits.unauthenticated must be/],
      [{ heartbeat: { intervalMs: 1 } }, /heartbeat.intervalMs must be/],
      [{ dispatcher: { concurrency: 0 } }, /concurrency must be/],
      [{ maxSesions: 5 } as never, /maxSessions/],
    ];
    for (const [options, message] of wrong) {
      await assert.rejects(createServer({ listen: "tcp://127.0.0.1:0", ...options }, {}), (error) => {
        assert.ok(error instanceof InvalidArgumentError);
        assert.match(error.message, message);
        return true;
      });
    }
    const handlers = { requests: { x: 5 as never } };
    await assert.rejects(
      createServer({ listen: "tcp://127.0.0.1:0" }, handlers),
      /requests\["x"\] must be a function/,
    );
  });

  test("bound a session's queue: blocked at the mark, then dropped, and drained when there is room", async (t) => {
    const { session, peer, drained } = await stalled(t, { highWaterMarkBytes: 100_000, queueBytes: 300_000 });
    const results = Array.from({ length: 20 }, () => session.send(big));
    const first = { blocked: results.indexOf("blocked"), dropped: results.indexOf("dropped") };
    assert.ok(first.blocked > 0 && first.dropped > first.blocked, results.join());
    assert.ok(session.bytesQueued <= 300_000 + 2 * big.length, String(session.bytesQueued));
    const accepted = results.filter((result) => result !== "dropped").length;
    let acknowledged = 0;
    while (acknowledged < accepted) {
      const { seq } = await peer.next();
      acknowledged = seq;
      peer.say({ kind: Kind.Ack, ref: seq });
    }
    await drained.promise;
    assert.equal(session.send(big), "sent");
  });

  for (const [queuePolicy, expected] of [
    ["drop-newest", ["0", "1", "2"]],
    ["drop-oldest", ["7", "8", "9"]],
  ] as const) {
    test(`keep of a full queue what ${queuePolicy} says`, async (t) => {
      const { session, peer } = await stalled(t, {
        queuePolicy,
        queueBytes: 4_000,
        highWaterMarkBytes: 1_000,
      });
      session.send(big); // more than the transport takes at once: what follows waits
      for (let i = 0; i < 10; i += 1) session.send(String(i).padEnd(1_000));
      const got: string[] = [];
      while (got.length < 3) {
        const { seq, payload } = await peer.next();
        peer.say({ kind: Kind.Ack, ref: seq });
        if (payload.length === 1_000) got.push(Buffer.from(payload).toString().trim());
      }
      assert.deepEqual(got, expected);
    });
  }

  test("close a session whose queue is full, where that is the policy", async (t) => {
    const { session, ends, peer } = await stalled(t, { queuePolicy: "close", queueBytes: 100_000 });
    for (let i = 0; i < 10 && session.state !== "closed"; i += 1) session.send(big);
    assert.equal(session.state, "closed");
    assert.deepEqual(ends, [{ by: "local", code: CloseCode.exhausted, reason: "its queue is full" }]);
    await peer.closed;
  });

  test("keep no more to be sent again than replayBytes", async (t) => {
    const { session } = await stalled(t, { replayBytes: 130_000, queueBytes: 1_000_000 });
    for (let i = 0; i < 10; i += 1) session.send(big);
    assert.ok(session.info.bytesUnacknowledged <= 130_000, String(session.info.bytesUnacknowledged));
  });

  test("pass over messages whose deadline has come before they could go", async (t) => {
    const { session, peer } = await stalled(t, { queueBytes: 1_000_000, highWaterMarkBytes: 1_000_000 });
    for (let i = 0; i < 6; i += 1) session.send(big); // more than the peer's window takes
    session.send("too late", { deadlineMs: 1 });
    session.send("in time");
    const sentAt = performance.now();
    await until("its time is over", () => performance.now() - sentAt > 1);
    let last = "";
    while (last !== "in time") {
      const { seq, payload } = await peer.next();
      last = Buffer.from(payload).toString();
      assert.notEqual(last, "too late");
      peer.say({ kind: Kind.Ack, ref: seq });
    }
  });

  test("send what is more urgent first, and starve nobody", async (t) => {
    const { session, peer } = await stalled(t, { queueBytes: 10_000_000, highWaterMarkBytes: 10_000_000 });
    while (session.info.bytesUnacknowledged + big.length < 256 * 1024) session.send(big); // fills the peer's window
    const kilobyte = new Uint8Array(10_000);
    for (let i = 0; i < 40; i += 1) session.send(kilobyte, { priority: "bulk" });
    for (let i = 0; i < 40; i += 1) session.send(kilobyte, { priority: "high" });
    session.send("now", { priority: "control" });
    const sent = session.info.messagesSent; // what has not gone out yet waits for credit
    const lanes: number[] = [];
    while (lanes.length < sent + 30) {
      const { seq, channel } = await peer.next();
      lanes.push(channel);
      peer.say({ kind: Kind.Ack, channel, ref: seq });
    }
    assert.ok(lanes.includes(3) && lanes.indexOf(3) < lanes.indexOf(1), `control first: ${lanes.join()}`);
    lanes.splice(0, sent);
    const bulk = lanes.filter((lane) => lane === 2).length;
    assert.ok(bulk >= 1 && bulk <= 8, `1 in 9 of the bytes is bulk's: ${lanes.join()}`);
  });

  test("give up a connection of which nothing is heard, though it promised a heartbeat", async (t) => {
    let timeouts = 0;
    const server = await kit.serve(
      t,
      {
        heartbeatTimeout: () => {
          timeouts += 1;
        },
      },
      { heartbeat: { intervalMs: 1_000, timeoutMs: 1_000 } },
    );
    const promised = await RawClient.connect(t, kit.under, server);
    promised.isMute = true;
    await promised.begin({ meta: [{ key: "heartbeat", value: Uint8Array.of(0xe8, 3, 0, 0) }] });
    const others = await RawClient.connect(t, kit.under, server);
    await others.begin(); // promises nothing, but its transport answers
    await promised.closed;
    assert.equal(timeouts, 1);
    assert.equal(server.counters.heartbeatTimeouts, 1);
    assert.equal(server.sessions({ where: ({ state }) => state === "open" }).sessions.length, 1);
    const { heartbeats } = server.sessions({ where: ({ state }) => state === "open" }).sessions[0]!.info;
    others.say({ kind: Kind.Ping });
    await until("the ping is counted", () => {
      const [left] = server.sessions({ where: ({ state }) => state === "open" }).sessions;
      return left!.info.heartbeats === heartbeats + 1;
    });
  });

  test("end sessions on which nothing comes", async (t) => {
    const ends: SessionEnd[] = [];
    const server = await kit.serve(t, { close: (_session, end) => ends.push(end) }, { idleTimeoutMs: 200 });
    const client = await kit.join(t, server);
    await until("it has ended", () => ends.length === 1);
    assert.equal(ends[0]!.code, CloseCode.idle);
    await until("the client knows", () => client.state !== "connected");
  });

  test("hold how many requests wait, and warn at four fifths of that, once", async (t) => {
    const warnings: ServerWarning[] = [];
    const server = await kit.serve(
      t,
      { warning: (warning) => warnings.push(warning) },
      { maxPendingRequests: 10, requestTimeoutMs: 300 },
    );
    const gate = deferred();
    await kit.join(t, server, { clientId: "slow" }, { request: () => gate.promise });
    await until("it has begun", () => server.sessionCount === 1);
    const ask = () => server.request({ clientId: "slow" }, "wait");
    const waiting = Array.from({ length: 10 }, ask);
    await assert.rejects(ask(), ResourceExhaustedError);
    assert.deepEqual(warnings, [{ kind: "pendingRequests", current: 8, limit: 10 }]);
    const replies = await Promise.all(waiting);
    assert.ok(replies.every(({ status }) => status === "timeout"));
    assert.equal(server.pendingRequests, 0);
    gate.resolve();
  });

  test("run asynchronous handlers in order, refuse what is too much, and tell who takes too long", async (t) => {
    const begun = new Inbox<string>("a handler");
    const gates = new Map<string, () => void>();
    const aborted = deferred<unknown>();
    const server = await kit.serve(
      t,
      {
        requests: {
          work: async (_session, request) => {
            begun.put(request.text());
            await new Promise<void>((resolve) => gates.set(request.text(), resolve));
            return request.text();
          },
          hang: async (_session, request) => {
            request.signal.addEventListener("abort", () => aborted.resolve(request.signal.reason));
            await new Promise<never>(() => {});
          },
        },
        error: () => {},
      },
      { dispatcher: { concurrency: 10, maxQueuedPerKey: 2, timeoutMs: 500, graceMs: 0 } },
    );
    const client = await kit.join(t, server);
    const replies = ["a", "b", "c", "d"].map((text) => client.request("work", text));
    assert.equal(await begun.take(), "a");
    const last = await replies[3]!;
    assert.equal(last.status === "failure" && last.code, FailureCode.overloaded);
    for (const name of ["a", "b", "c"]) {
      if (name !== "a") assert.equal(await begun.take(), name);
      gates.get(name)!();
    }
    for (const reply of replies.slice(0, 3)) assert.equal((await reply).status, "success");
    const hung = await client.request("hang");
    assert.equal(hung.status === "failure" && hung.code, FailureCode.timeout);
    assert.match(String(await aborted.promise), /took longer than 500 ms/);
  });

  test("let a client take the place of its own session where its address has as many as it may", async (t) => {
    const server = await kit.serve(t, {}, { limits: { sessionsPerAddress: 1 }, resumeWindowMs: 60_000 });
    const first = await kit.join(t, server, { clientId: "ada" });
    first.abandon();
    await until("it is detached", () => first.state === "disconnected");
    const again = await kit.join(t, server, { clientId: "ada" });
    assert.notEqual(again.id, first.id);
    await assert.rejects(kit.join(t, server, { clientId: "bob" }), /as many sessions of this address/);
    assert.equal(server.sessionCount, 1);
  });

  test("hold how fast connections come", async (t) => {
    const server = await kit.serve(t, {}, { limits: { connectionsPerSecondPerAddress: 0.001 } });
    await kit.join(t, server);
    await assert.rejects(kit.join(t, server));
    await until("the first has begun", () => server.sessionCount === 1);
    const total = await kit.serve(t, {}, { limits: { connectionsPerSecond: 0.001 } });
    await kit.join(t, total);
    await assert.rejects(kit.join(t, total));
  });
});

describe("plugins", () => {
  test("are set up behind those that they need, see what sessions do, and are disposed of in reverse", async (t) => {
    const log: string[] = [];
    const plugin = (name: string, dependencies: readonly string[]): Plugin => ({
      name,
      dependencies,
      setup: async (server) => void log.push(`${name} set up ${server.urls.length}`),
      hooks: { open: () => log.push(`${name} open`), close: () => log.push(`${name} close`) },
      dispose: () => log.push(`${name} disposed of`),
    });
    const server = await kit.serve(
      t,
      { open: () => log.push("own open") },
      { plugins: [plugin("b", ["a"]), plugin("a", [])] },
    );
    const client = await kit.join(t, server);
    await until("it has begun", () => server.sessionCount === 1);
    await client.close();
    await until("it has ended", () => server.sessionCount === 0);
    await server.close();
    assert.deepEqual(log, [
      "a set up 0",
      "b set up 0",
      "a open",
      "b open",
      "own open",
      "a close",
      "b close",
      "b disposed of",
      "a disposed of",
    ]);
  });

  test("are refused where one is missing, there twice, or they need each other", async () => {
    const start = (...plugins: Plugin[]) => createServer({ listen: "tcp://127.0.0.1:0", plugins }, {});
    await assert.rejects(start({ name: "a", dependencies: ["b"] }), /"a" needs "b", which is not there/);
    await assert.rejects(start({ name: "a" }, { name: "a" }), /two of the name "a"/);
    const circle = [
      { name: "a", dependencies: ["b"] },
      { name: "b", dependencies: ["a"] },
    ];
    await assert.rejects(start(...circle), /a → b → a/);
    await assert.rejects(
      start({
        name: "a",
        setup: () => {
          throw new TypeError("no disk");
        },
      }),
      TypeError,
    );
  });
});

describe("an ending server", () => {
  test("tells clients where to go, finishes what they asked, and ends their sessions", async (t) => {
    const gate = deferred();
    const ends: SessionEnd[] = [];
    const server = await kit.serve(t, {
      requests: {
        slow: async () => {
          await gate.promise;
          return "done";
        },
      },
      close: (_session, end) => ends.push(end),
    });
    const told: [string | undefined, number | undefined][] = [];
    const behaviour = {
      goAway: (
        _session: ClientSession,
        { target, retryAfterMs }: { target: string | undefined; retryAfterMs: number | undefined },
      ) => told.push([target, retryAfterMs]),
    };
    const client = await kit.join(t, server, {}, behaviour);
    const reply = client.request("slow");
    await until("it is handled", () => server.sessions().sessions[0]?.info.messagesReceived === 1);
    const closed = server.close({ target: "quic://other.example:443", spreadMs: 1_000 });
    await until("the client is told", () => told.length === 1);
    await assert.rejects(kit.join(t, server));
    gate.resolve();
    const answer = await reply;
    assert.equal(answer.status, "success");
    await closed;
    const [[target, retryAfterMs]] = told as [[string, number]];
    assert.equal(target, "quic://other.example:443");
    assert.ok(retryAfterMs >= 0 && retryAfterMs < 1_000);
    assert.deepEqual(ends, [{ by: "shutdown", code: CloseCode.goingAway, reason: "the server stops" }]);
    await until("the client has heard of it", () => client.state === "disconnected");
  });

  test("waits no longer than its deadline", async (t) => {
    const server = await kit.serve(t, { requests: { never: async () => new Promise<never>(() => {}) } });
    const client = await kit.join(t, server);
    const reply = client.request("never", "", { timeoutMs: 60_000 });
    await until("it is handled", () => server.sessions().sessions[0]?.info.messagesReceived === 1);
    await server.close({ deadlineMs: 100 });
    assert.equal(server.sessionCount, 0);
    await client.close();
    assert.equal((await reply).status, "failure");
  });
});

describe("who may stay", () => {
  test("is asked again of every session, and revoked by client id", async (t) => {
    const faults: unknown[] = [];
    const fault = new Error("who is that?");
    const error = (session: Session | undefined, cause: unknown) =>
      void faults.push(session?.clientId, cause);
    const server = await kit.serve(t, { error }, { sameClient: "allow" });
    const clients = await Promise.all(
      ["a", "a", "b", "c", "d"].map((clientId) =>
        kit.join(t, server, { clientId, reconnect: clientId === "d" && { delayMs: 1 } }),
      ),
    );
    await until("all have begun", () => server.sessionCount === 5);
    assert.equal(server.revoke("a"), 2);
    const asked: (string | undefined)[] = [];
    const judgedId = clients[4]!.id;
    const ended = await server.reauthorise(async ({ clientId }) => {
      asked.push(clientId);
      if (clientId === "d") throw fault;
      if (clientId === "c") {
        server.revoke("c");
        throw new Error("it is gone by now, which is no fault");
      }
      return clientId === "b";
    });
    assert.equal(ended, 1);
    assert.deepEqual(asked.sort(), ["b", "c", "d"]);
    assert.deepEqual(faults, ["d", fault]);
    assert.deepEqual(
      server.sessions().sessions.map(({ clientId }) => clientId),
      ["b"],
      "and nobody has come again in this turn",
    );
    for (const client of [clients[0]!, clients[1]!, clients[3]!]) {
      assert.equal((await client.closed).code, CloseCode.unauthenticated);
    }
    await until("who could not be judged has come again, and is asked who it is", () =>
      server.sessionsOf("d").some(({ id }) => id !== judgedId && id === clients[4]!.id),
    );
  });
});
