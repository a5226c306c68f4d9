import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Session } from "millrace/server";
import { deferred } from "../kit/deferred.js";
import { until } from "../kit/until.js";
import { sessionKit } from "./suite/kit.js";

const kit = sessionKit({ url: "tcp://127.0.0.1:0" });

describe("the figures of a session", () => {
  test("say who it is, how it is connected, and what has gone each way", async (t) => {
    const startedAt = Date.now();
    const opened = deferred<Session>();
    const server = await kit.serve(t, {
      open: (session) => opened.resolve(session),
      message: (_session, message) => {
        if (message.text() === "bad") throw new Error("a handler's");
      },
      error: () => {},
    });
    const client = await kit.join(
      t,
      server,
      { clientId: "ada" },
      { request: () => new Promise<never>(() => {}) },
    );
    const session = await opened.promise;
    const begun = session.info;
    assert.deepEqual(
      [begun.id, begun.clientId, begun.state, begun.transport, begun.remoteAddress?.address],
      [client.id, "ada", "open", "tcp", "127.0.0.1"],
    );
    assert.ok(begun.connectedAt >= startedAt && begun.connectedAt <= Date.now());
    assert.deepEqual([begun.messagesReceived, begun.messagesSent, begun.errors], [0, 0, 0]);

    for (const text of ["four", "more", "bad"]) client.send(text);
    session.send("12345678");
    void session.request("never");
    await until("all has come", () => session.info.messagesReceived === 3);
    const { bytesReceived, bytesSent, messagesSent, errors, requestsPending } = session.info;
    assert.deepEqual([messagesSent, errors, requestsPending], [2, 1, 1]);
    assert.ok(bytesReceived >= "four more bad".length - 2 && bytesSent >= "12345678".length);

    client.abandon();
    await until("it is detached", () => session.state === "detached" && client.state === "disconnected");
    session.send("waits");
    const detached = session.info;
    assert.deepEqual(
      [detached.state, detached.transport, detached.remoteAddress, detached.resumptions],
      ["detached", undefined, undefined, 0],
    );
    assert.ok(detached.bytesQueued > "waits".length);
    await until("it is idle", () => session.info.idleMs > 0);
    assert.equal(await client.switchTo(server.urls[0]!), true);
    await until("what waited is gone", () => session.info.bytesQueued === 0);
    const back = session.info;
    assert.deepEqual(
      [back.state, back.resumptions, back.connectedAt, back.messagesSent],
      ["open", 1, begun.connectedAt, 3],
    );
    assert.deepEqual(server.counters, { opened: 1, closed: 0, rejected: 0, heartbeatTimeouts: 0, early: 0 });
    await client.close();
    await until("it has ended", () => server.counters.closed === 1);
  });
});

test("the sessions of a server are had a page at a time, each on one, of a client or over a transport alone", async (t) => {
  const listen = ["tcp://127.0.0.1:0", "ws://127.0.0.1:0"];
  const server = await kit.serve(t, {}, { listen, maxSessions: 64, sameClient: "allow" });
  const ids: string[] = [];
  for (let i = 0; i < 5; i += 1) {
    const client = await kit.join(t, { urls: [server.urls[i % 2]!] }, { clientId: `client ${i % 2}` });
    ids.push(client.id);
    await until("it has begun", () => server.sessionCount === i + 1);
  }
  const pages: string[][] = [];
  let cursor = 0;
  do {
    const page = server.sessions({ cursor, budget: 3 });
    pages.push(page.sessions.map(({ id }) => id));
    ({ cursor } = page);
  } while (cursor !== 0);
  assert.ok(pages.filter(({ length }) => length > 0).length > 1);
  assert.deepEqual(pages.flat().sort(), ids.toSorted());
  assert.deepEqual([...server].map(({ id }) => id).sort(), ids.toSorted());

  const found = (filter: Parameters<typeof server.sessions>[0]) =>
    server
      .sessions(filter)
      .sessions.map(({ id }) => ids.indexOf(id))
      .sort();
  assert.deepEqual(found({ clientId: "client 1" }), [1, 3]);
  assert.deepEqual(found({ transport: "tcp" }), [0, 2, 4]);
  assert.deepEqual(found({ transport: "tcp", clientId: "client 1" }), []);
  assert.deepEqual(found({ where: ({ id }) => id === ids[2] }), [2]);
  assert.deepEqual(
    server.sessionsOf("client 0").map(({ id }) => id),
    [ids[0], ids[2], ids[4]],
    "the oldest first",
  );
});
