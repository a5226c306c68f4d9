import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { createServer, type Server, type ServerBehaviour } from "millrace/server";
import { createRelay, type Relay } from "millrace/testing";
import { deferred } from "../kit/deferred.js";
import { until } from "../kit/until.js";
import { identity } from "../transport/suite/kit.js";
import { joined } from "./joined.js";

/** A server behind a relay on the way by QUIC, and without one by WebSocket. */
async function network(t: TestContext, behaviour: ServerBehaviour = {}) {
  const server: Server = await createServer(
    { listen: ["quic://127.0.0.1:0", "wss://127.0.0.1:0"], tls: identity },
    behaviour,
  );
  t.after(() => server.close({ graceful: false }));
  const [quic, wss] = server.urls as [string, string];
  const relay: Relay = await createRelay({
    target: { address: "127.0.0.1", port: Number(new URL(quic).port) },
  });
  t.after(() => relay.close());
  return { server, relay, urls: [`quic://127.0.0.1:${relay.address.port}`, wss] as const };
}

describe("a session with several URLs", () => {
  it("goes over to its first choice when that answers at last, with nothing lost, and nothing twice", async (t) => {
    const atServer: number[] = [];
    const { relay, urls } = await network(t, {
      message: (_session, message) => atServer.push(Number(message.text())),
    });
    relay.block();
    const switches: string[] = [];
    const session = await joined(
      t,
      urls,
      { headStartMs: 10, connectTimeoutMs: 2_000, autoSwitch: { upgradeAfterMs: 20, stallMs: 100 } },
      { switched: (_session, from, to) => switches.push(`${from.transport} to ${to.transport}`) },
    );
    assert.equal(session.transport, "websocket");
    relay.unblock();
    let sent = 0;
    await until("it has switched", () => {
      session.send(`${sent++}`);
      return session.transport === "quic";
    });
    session.send(`${sent++}`);
    await until("all has come", () => atServer.length >= sent);
    assert.deepEqual(
      atServer,
      Array.from({ length: sent }, (_, i) => i),
    );
    assert.deepEqual(switches, ["websocket to quic"]);
  });

  it("leaves a connection on which nothing is answered, long before that is lost", async (t) => {
    const { server, relay, urls } = await network(t, { requests: { ask: () => "answer" } });
    const left = deferred<string>();
    const session = await joined(
      t,
      urls,
      { headStartMs: 60_000, heartbeatMs: 3_600_000, autoSwitch: { stallMs: 100 } },
      {
        disconnected: () => left.resolve("lost"),
        switched: (_session, from, to) => left.resolve(`${from.transport} to ${to.transport}`),
      },
    );
    assert.equal(session.transport, "quic");
    await until("it has begun", () => server.sessionCount === 1);
    relay.block();
    const reply = session.request("ask", "", { timeoutMs: 60_000 });
    assert.equal(await left.promise, "quic to websocket");
    assert.equal((await reply).status, "success");
  });

  it("leaves a connection of whose packets too many are lost, with nothing lost to the application", async (t) => {
    const atServer: number[] = [];
    const { relay, urls } = await network(t, {
      message: (_session, message) => atServer.push(Number(message.text())),
    });
    const session = await joined(t, urls, {
      headStartMs: 60_000,
      // Nothing else is a reason here.
      autoSwitch: { lossRate: 0.1, badForMs: 500, slowerBy: 100, stallMs: 600_000 },
    });
    assert.equal(session.transport, "quic");
    relay.set({ toServer: { lossRate: 0.4 } });
    let sent = 0;
    await until("it has switched", () => {
      for (let i = 0; i < 5; i += 1) if (session.send(`${sent}`) !== "dropped") sent += 1;
      return session.transport === "websocket";
    });
    await until("all has come", () => atServer.length >= sent);
    assert.deepEqual(
      atServer,
      Array.from({ length: sent }, (_, i) => i),
    );
    const { switches, transports } = await session.statistics();
    assert.deepEqual(
      switches.map(({ from, to, reason }) => [from.transport, to.transport, reason]),
      [["quic", "websocket", "lossy"]],
    );
    assert.ok(transports.find(({ transport }) => transport === "quic")!.retransmissions! > 0);
  });

  it("stays with a connection that loses a little", async (t) => {
    const { relay, urls } = await network(t);
    const session = await joined(t, urls, {
      headStartMs: 60_000,
      autoSwitch: { lossRate: 0.5, badForMs: 0, slowerBy: 100, stallMs: 600_000 },
    });
    relay.set({ toServer: { lossRate: 0.05 } });
    await until("some of it is lost", async () => {
      for (let i = 0; i < 5; i += 1) session.send("message");
      return ((await session.statistics()).retransmissions ?? 0) > 20;
    });
    assert.equal(session.transport, "quic");
  });

  it("stays where nothing is on its way, and where its only other choice is silent, too", async (t) => {
    const { server, relay, urls } = await network(t, { requests: { ask: () => "answer" } });
    const [quic] = urls;
    const silent = await createRelay({ target: relay.address });
    t.after(() => silent.close());
    const other = `quic://127.0.0.1:${silent.address.port}`;
    silent.block();
    const ends: unknown[] = [];
    const session = await joined(
      t,
      [quic, other],
      { headStartMs: 60_000, autoSwitch: { stallMs: 100, badForMs: 0 }, connectTimeoutMs: 300 },
      {
        disconnected: (_session, info) => ends.push(info),
        switched: (...changed) => ends.push(changed),
      },
    );
    await until("it has begun", () => server.sessionCount === 1);
    relay.block("toClient");
    const reply = session.request("ask", "", { timeoutMs: 60_000 });
    await until("the other was tried", () => silent.counters.toServer.received > 0);
    relay.unblock();
    assert.equal((await reply).status, "success");
    assert.deepEqual(ends, []);
    assert.equal(server.sessionCount, 1);
  });
});
