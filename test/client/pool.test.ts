import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { createPool, type PoolOptions } from "millrace/client";
import { createServer, type Server, type ServerBehaviour } from "millrace/server";
import { createRelay } from "millrace/testing";
import { deferred } from "../kit/deferred.js";
import { until } from "../kit/until.js";
import { authority, identity } from "../transport/suite/kit.js";

async function serve(t: TestContext, behaviour: ServerBehaviour = {}, listen = "ws://127.0.0.1:0") {
  const server: Server = await createServer({ listen, tls: identity }, behaviour);
  t.after(() => server.close({ graceful: false }));
  return server;
}

async function pool(t: TestContext, urls: string | readonly string[], options: PoolOptions) {
  const made = await createPool(urls, options);
  t.after(() => made.close());
  await until("all sessions are there", () => made.members.length === (options.size ?? 4));
  return made;
}

/** A server whose answers wait until they are let go, and that knows who has asked. */
function holding() {
  const gate = deferred();
  const asked = new Set<string>();
  const behaviour: ServerBehaviour = {
    requests: {
      hold: async (session) => {
        asked.add(session.id);
        await gate.promise;
        return session.id;
      },
      who: (session) => session.id,
    },
  };
  return { behaviour, asked, letGo: () => gate.resolve() };
}

describe("a pool of sessions", () => {
  it("spreads requests over its sessions, each to the one with the least to do", async (t) => {
    const { behaviour, asked, letGo } = holding();
    const server = await serve(t, behaviour);
    const made = await pool(t, server.urls, { size: 3 });
    const { members } = made;
    assert.equal(server.connectionCount, 3);
    const replies = Array.from({ length: 12 }, () => made.request("hold"));
    await until("all are asked", () => asked.size === 3);
    assert.deepEqual(
      members.map(({ load }) => load),
      [4, 4, 4],
    );
    letGo();
    const answers = await Promise.all(replies);
    const by = answers.map((reply) =>
      reply.status === "success" ? Buffer.from(reply.payload).toString() : "",
    );
    for (const { session } of members) assert.equal(by.filter((id) => id === session.id).length, 4);
    assert.deepEqual(
      members.map(({ load }) => load),
      [0, 0, 0],
    );
  });

  it("keeps what goes by a lease on one session, and in order", async (t) => {
    const got: string[] = [];
    const server = await serve(t, { message: (_session, message) => got.push(message.text()) });
    const made = await pool(t, server.urls, { size: 3 });
    const lease = made.lease();
    const { session } = lease;
    for (let i = 0; i < 100; i += 1) {
      lease.session.send(`${i}`);
      made.lease();
    }
    assert.equal(lease.session, session);
    await until("all have come", () => got.length === 100);
    assert.deepEqual(
      got,
      Array.from({ length: 100 }, (_, i) => `${i}`),
    );
    lease.release();
    lease.release();
    assert.throws(() => lease.session, { code: "ERR_MILLRACE_SESSION_CLOSED" });
  });

  it("sends, and waits for acknowledgements, by any of them", async (t) => {
    const from = new Set<string>();
    const server = await serve(t, { message: (session) => from.add(session.id) });
    const made = await pool(t, server.urls, { size: 2 });
    assert.equal(made.send("one"), "sent");
    assert.equal((await made.sendAcked("two")).status, "acknowledged");
    await until("both have come", () => from.size === 2);
  });

  it("puts another in the place of a session that the server has ended", async (t) => {
    const { behaviour } = holding();
    const server = await serve(t, behaviour);
    const made = await pool(t, server.urls, { size: 2, reconnect: { delayMs: 1 } });
    const [first, second] = made.members.map(({ session }) => session);
    const lease = made.lease();
    server.session(lease.session.id)?.close();
    await until("it is replaced", () => made.replaced === 1 && made.members.length === 2);
    const now = made.members.map(({ session }) => session);
    assert.equal([first, second].filter((session) => now.includes(session!)).length, 1);
    assert.ok(now.includes(lease.session), "the lease has moved on");
    assert.equal((await lease.session.request("who")).status, "success");
  });

  it("replaces a session that gives no sign of life, and waits for what that had to do", async (t) => {
    const { behaviour, letGo } = holding();
    const server = await serve(t, behaviour, "quic://127.0.0.1:0");
    const port = Number(new URL(server.urls[0]!).port);
    const relay = await createRelay({ target: { address: "127.0.0.1", port } });
    t.after(() => relay.close());
    const made = await pool(t, `quic://127.0.0.1:${relay.address.port}`, {
      ...{ size: 1, healthCheckMs: 20, healthTimeoutMs: 50, tls: { ca: authority.certificate } },
      reconnect: { delayMs: 1 },
    });
    const [first] = made.members.map(({ session }) => session);
    await until("it has begun", () => server.sessionCount === 1);
    const held = made.request("hold", "", { timeoutMs: 60_000 });
    relay.block();
    await until("it is not well", () => !made.members[0]!.isWell);
    await relay.rebind();
    relay.unblock();
    await until("one that answers has its place, or it is well again", () => made.members[0]!.isWell);
    letGo();
    assert.equal((await held).status, "success");
    if (made.replaced > 0) await first!.closed;
  });

  it("fails where there is no session to be had, and ends with all that it has", async (t) => {
    const server = await serve(t);
    const made = await pool(t, server.urls, { size: 2 });
    await made.close();
    await made.close();
    await until("all are gone", () => server.connectionCount === 0);
    await assert.rejects(made.request("who"), { code: "ERR_MILLRACE_SESSION_CLOSED" });
    assert.throws(() => made.lease(), { code: "ERR_MILLRACE_SESSION_CLOSED" });
    await server.close();
    await assert.rejects(createPool(server.urls, { size: 2 }), { code: "ERR_MILLRACE_CONNECTION_REFUSED" });
    await assert.rejects(createPool(server.urls, { size: 0 }), { code: "ERR_MILLRACE_INVALID_ARGUMENT" });
  });
});

describe("a ping of a session", () => {
  it("tells how long an answer takes, waits for a connection, and ends with the session", async (t) => {
    const server = await serve(t);
    const { members } = await pool(t, server.urls, { size: 1 });
    const { session } = members[0]!;
    assert.ok((await session.ping()) > 0);
    session.abandon();
    assert.ok((await session.ping()) > 0);
    const aborted = AbortSignal.abort();
    await assert.rejects(session.ping({ signal: aborted }), { code: "ERR_MILLRACE_ABORTED" });
    await session.close();
    await assert.rejects(session.ping(), { code: "ERR_MILLRACE_SESSION_CLOSED" });
  });
});
