import assert from "node:assert/strict";
import { describe, type TestContext, test } from "node:test";
import type { SessionStatistics } from "millrace/client";
import { createServer, type ServerBehaviour } from "millrace/server";
import { createRelay } from "millrace/testing";
import { until } from "../kit/until.js";
import { identity } from "../transport/suite/kit.js";
import { joined } from "./joined.js";

async function serve(t: TestContext, behaviour: ServerBehaviour, ...listen: string[]) {
  const tls = listen.some((url) => url.startsWith("quic")) ? { tls: identity } : {};
  const server = await createServer({ listen, ...tls }, behaviour);
  t.after(() => server.close({ graceful: false }));
  return server;
}

/** No heartbeat is among what is counted. */
const quiet = { heartbeatMs: 3_600_000 };

function over(statistics: SessionStatistics, transport: string) {
  const found = statistics.transports.find((one) => one.transport === transport);
  assert.ok(found, `nothing is known of ${transport}`);
  return found;
}

describe("the statistics of a session", () => {
  test("count messages and bytes, both ways, on all of its connections", async (t) => {
    const server = await serve(
      t,
      {
        message: (session, message) => message.text() === "answer" && session.send("12345"),
        requests: { ask: () => "1234567" },
      },
      "tcp://127.0.0.1:0",
      "ws://127.0.0.1:0",
    );
    const [tcp, ws] = server.urls as [string, string];
    const session = await joined(t, [tcp, ws], {
      ...quiet,
      autoSwitch: false,
      preferredTransport: "tcp",
      headStartMs: 60_000,
    });
    session.send("1234567890");
    await session.request("ask");
    const first = await session.statistics();
    assert.deepEqual(
      [first.messagesSent, first.messagesReceived, first.bytesReceived],
      [2, 1, 7],
      "a message, a request and its answer",
    );
    await session.switchTo(ws);
    const before = (await session.statistics()).bytesSent;
    session.send("answer");
    await until("it has answered", async () => (await session.statistics()).messagesReceived === 2);
    const second = await session.statistics();
    assert.equal(second.messagesSent, 3);
    assert.equal(second.bytesReceived, 12);
    assert.equal(second.bytesSent - before, 48 + 6, "a frame's head and its payload");
    assert.deepEqual(
      ["tcp", "websocket"].map((name) => over(second, name).messagesSent),
      [2, 1],
    );
    assert.deepEqual(
      ["tcp", "websocket"].map((name) => over(second, name).bytesReceived),
      [7, 5],
    );
    assert.equal(
      second.transports.reduce((sum, { bytesSent }) => sum + bytesSent, 0),
      second.bytesSent,
    );
  });

  test("count publications, which nobody acknowledges", async (t) => {
    const server = await serve(t, { subscribe: () => true }, "tcp://127.0.0.1:0");
    const session = await joined(t, server.urls[0]!, quiet);
    await session.subscribe("news");
    const before = await session.statistics();
    server.publish("news", "12345");
    await until(
      "it has come",
      async () => (await session.statistics()).messagesReceived > before.messagesReceived,
    );
    const after = await session.statistics();
    assert.equal(after.messagesReceived - before.messagesReceived, 1);
    assert.equal(after.bytesReceived - before.bytesReceived, 5);
  });

  test("have heartbeats, and the round trip that they measure", async (t) => {
    const server = await serve(t, {}, "tcp://127.0.0.1:0");
    const session = await joined(t, server.urls[0]!, quiet);
    const none = await session.statistics();
    assert.deepEqual([none.heartbeats, none.roundTripMs], [0, undefined]);
    const tookMs = await session.ping();
    await session.ping();
    session.abandon();
    await until("it is back", async () => (await session.statistics()).switches.length === 1);
    await session.ping();
    const { heartbeats, roundTripMs, transports } = await session.statistics();
    assert.equal(heartbeats, 3);
    assert.ok(roundTripMs !== undefined && roundTripMs < tookMs + 60_000);
    assert.equal(transports[0]!.roundTripMs, roundTripMs);
  });

  test("count what handlers throw", async (t) => {
    const server = await serve(t, { open: (session) => session.send("go") }, "tcp://127.0.0.1:0");
    const causes: unknown[] = [];
    const session = await joined(t, server.urls[0]!, quiet, {
      message: () => {
        throw new Error("a fault");
      },
      error: (_session, cause) => causes.push(cause),
    });
    await until("it has thrown", () => causes.length === 1);
    assert.equal((await session.statistics()).errors, 1);
  });

  test("have what waits, what was dropped, and what has expired", async (t) => {
    const server = await serve(t, {}, "tcp://127.0.0.1:0");
    const session = await joined(t, server.urls[0]!, {
      ...{ ...quiet, reconnect: false, queueBytes: 2_000, queuePolicy: "drop-oldest" },
    });
    session.abandon();
    await until("it is lost", () => session.state === "disconnected");
    session.send("old", { deadlineMs: 1 });
    await until("its time has come", async () => (await session.statistics()).messagesExpired === 1);
    for (let i = 0; i < 20; i += 1) session.send("new".padEnd(100));
    void session.request("ask").catch(() => {});
    const { messagesDropped, bytesQueued, requestsPending } = await session.statistics();
    assert.ok(messagesDropped > 10, `${messagesDropped} dropped`);
    assert.ok(bytesQueued > 100 && bytesQueued <= 2_000);
    assert.equal(requestsPending, 1);
  });

  test("have tries that failed, connections that were lost, and each change with its reason", async (t) => {
    const server = await serve(t, {}, "tcp://127.0.0.1:0", "ws://127.0.0.1:0");
    const [tcp, ws] = server.urls as [string, string];
    const dead = await serve(t, {}, "tcp://127.0.0.1:0");
    await dead.close({ graceful: false });
    const session = await joined(t, [dead.urls[0]!, ws], {
      ...{ ...quiet, autoSwitch: false, preferredTransport: "tcp", reconnect: { delayMs: 1 } },
    });
    const connected = await session.statistics();
    assert.deepEqual([over(connected, "tcp").failures, over(connected, "websocket").failures], [1, 0]);
    assert.deepEqual([over(connected, "tcp").connections, over(connected, "websocket").connections], [0, 1]);
    assert.deepEqual(connected.switches, []);
    await session.switchTo(tcp);
    session.abandon();
    await until("it is back", async () => (await session.statistics()).switches.length === 2);
    await session.close();
    const ended = await session.statistics();
    const changes = ended.switches.map(({ from, to, reason }) => [from.transport, to.transport, reason]);
    assert.deepEqual(changes[0], ["websocket", "tcp", "asked"]);
    assert.deepEqual([changes[1]![0], changes[1]![2]], ["tcp", "lost"]);
    assert.equal(ended.switches[0]!.to.url, tcp);
    assert.equal(over(ended, "tcp").losses, 1);
    const { connectedMs } = over(ended, "websocket");
    assert.ok(connectedMs > 0);
    assert.equal(over(await session.statistics(), "websocket").connectedMs, connectedMs, "it has ended");
  });

  test("know of QUIC what was sent again, also when the connection has ended, and of TCP do not", async (t) => {
    let got = 0;
    const server = await serve(t, { message: () => (got += 1) }, "quic://127.0.0.1:0", "tcp://127.0.0.1:0");
    const [quic, tcp] = server.urls as [string, string];
    const relay = await createRelay({ target: { address: "127.0.0.1", port: Number(new URL(quic).port) } });
    t.after(() => relay.close());
    const session = await joined(t, `quic://127.0.0.1:${relay.address.port}`, quiet);
    await session.ping();
    relay.set({ toServer: { lossRate: 0.3 } });
    let sent = 0;
    await until("some of it was sent again", async () => {
      session.send(`${sent++}`);
      return ((await session.statistics()).retransmissions ?? 0) > 3;
    });
    assert.ok(relay.counters.toServer.dropped > 3);
    relay.set({ toServer: { lossRate: 0 } });
    await until("all has come", () => got === sent);
    const lossy = await session.statistics();
    assert.ok(over(lossy, "quic").packetsSent! > over(lossy, "quic").retransmissions!);
    assert.ok(lossy.roundTripMs! > 0);
    await session.switchTo(tcp);
    const moved = await session.statistics();
    assert.ok(over(moved, "quic").retransmissions! >= over(lossy, "quic").retransmissions!);
    assert.deepEqual(
      [over(moved, "tcp").packetsSent, over(moved, "tcp").retransmissions],
      [undefined, undefined],
    );
    assert.equal(moved.retransmissions, over(moved, "quic").retransmissions);
  });
});
