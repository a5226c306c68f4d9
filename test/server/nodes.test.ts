import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { describe, type TestContext, test } from "node:test";
import { type ClientSession, connect } from "millrace/client";
import {
  type ConnectedAt,
  createServer,
  RejectCode,
  refuse,
  type Server,
  type ServerBehaviour,
} from "millrace/server";
import { deferred } from "../kit/deferred.js";
import { until } from "../kit/until.js";
import { authority, identity } from "../transport/suite/kit.js";

const tls = { ca: authority.certificate };

/** Servers 1, 2, … that take each other's tokens. */
async function nodes(
  t: TestContext,
  url: string,
  behaviour: ServerBehaviour<unknown> = {},
  targetOf?: (node: number, at: ConnectedAt) => string | undefined,
): Promise<Server[]> {
  const secret = randomBytes(32);
  const servers: Server[] = [];
  for (const number of [1, 2]) {
    const node = { number, secret, targetOf: targetOf ?? ((other: number) => servers[other - 1]?.urls[0]) };
    const server = await createServer({ listen: url, tls: identity, node }, behaviour);
    t.after(() => server.close({ graceful: false }));
    servers.push(server);
  }
  return servers;
}

/** A client whose session has begun. */
async function join(t: TestContext, server: Server): Promise<ClientSession> {
  const client = await connect(server.urls[0]!, { tls, reconnect: false });
  t.after(() => client.close({ graceful: false }));
  await until("it has begun", () => server.session(client.id) !== undefined);
  return client;
}

describe("servers that take each other's resume tokens", () => {
  for (const url of ["ws://127.0.0.1:0", "tcp://127.0.0.1:0", "quic://127.0.0.1:0"]) {
    test(`send a client on to the one that has its session, over ${url.split(":")[0]}`, async (t) => {
      const got: string[] = [];
      const servers = await nodes(t, url, { message: (_session, message) => got.push(message.text()) });
      const client = await join(t, servers[0]!);
      const { id } = client;
      client.abandon();
      await until("it is detached", () => client.state === "disconnected");
      client.send("meanwhile");
      assert.equal(await client.switchTo(servers[1]!.urls[0]!), true);
      assert.equal(client.id, id);
      await until("all has come", () => got.length === 1);
      assert.equal(servers[1]!.sessionCount, 0);
      assert.equal(servers[1]!.counters.rejected, 1);
    });
  }

  test("ask where that is by how the client is connected, and before anybody is let in", async (t) => {
    const asked: [number, ConnectedAt][] = [];
    let authenticated = 0;
    const servers: Server[] = await nodes(
      t,
      "ws://127.0.0.1:0",
      {
        authenticate: () => {
          authenticated += 1;
        },
      },
      (node, at) => {
        asked.push([node, at]);
        return servers[node - 1]!.urls[0];
      },
    );
    const client = await join(t, servers[0]!);
    assert.equal(await client.switchTo(servers[1]!.urls[0]!), true);
    const [[node, at]] = asked as [[number, ConnectedAt]];
    assert.equal(asked.length, 1);
    assert.equal(node, 1);
    assert.equal(at.transport, "websocket");
    assert.equal(at.localAddress.port, servers[1]!.addresses[0]!.port);
    assert.equal(authenticated, 2, "at the one that has the session, each time");
  });

  test("begin a session anew whose server nobody knows, or where it cannot be told", async (t) => {
    const faults: unknown[] = [];
    for (const targetOf of [
      () => undefined,
      () => {
        throw new Error("as it was told");
      },
      () => "no URL",
      () => `ws://127.0.0.1/${"longer than a client is told".repeat(100)}`,
    ]) {
      const servers = await nodes(
        t,
        "ws://127.0.0.1:0",
        { error: (_session, cause) => faults.push(cause) },
        targetOf,
      );
      const client = await join(t, servers[0]!);
      assert.equal(await client.switchTo(servers[1]!.urls[0]!), false);
      await until("it has begun anew", () => servers[1]!.sessionCount === 1);
    }
    assert.equal(faults.length, 3);
  });

  test("do not send a client from a secure URL to one that is not, which learns where it could go", async (t) => {
    const target = "ws://127.0.0.1:9/";
    const servers = await nodes(t, "wss://127.0.0.1:0", {}, () => target);
    const client = await join(t, servers[0]!);
    await assert.rejects(client.switchTo(servers[1]!.urls[0]!), {
      code: "ERR_MILLRACE_SESSION_REFUSED",
      rejectCode: RejectCode.elsewhere,
      target,
    });
  });

  test("cannot be sent round in a circle", async (t) => {
    const servers: Server[] = await nodes(
      t,
      "ws://127.0.0.1:0",
      {},
      (_node, at) => servers.find(({ addresses }) => addresses[0]!.port !== at.localAddress.port)?.urls[0],
    );
    const secret = randomBytes(32);
    const third = await createServer({ listen: "ws://127.0.0.1:0", node: { number: 3, secret } }, {});
    t.after(() => third.close({ graceful: false }));
    const client = await join(t, third);
    await assert.rejects(client.switchTo(servers[0]!.urls[0]!), { rejectCode: RejectCode.elsewhere });
    assert.deepEqual(
      servers.map(({ counters }) => counters.rejected),
      [1, 1],
    );
  });

  for (const { there, targetOf, rejections } of [
    { there: "has ended", rejections: 3 },
    { there: "is reached by another scheme only", targetOf: () => "tcp://127.0.0.1:9/", rejections: 3 },
    {
      there: "is said to be where the client has just been",
      targetOf: (_node: number, at: ConnectedAt) => `ws://127.0.0.1:${at.localAddress.port}/`,
      rejections: 6,
    },
  ]) {
    test(`begin a session anew at the third try, where the one that has it ${there}`, async (t) => {
      const got: string[] = [];
      const message = (_session: unknown, said: { text(): string }) => got.push(said.text());
      const [home, other] = (await nodes(t, "ws://127.0.0.1:0", { message }, targetOf)) as [Server, Server];
      const lost: unknown[] = [];
      const left = deferred();
      const client = await connect(
        [home.urls[0]!, other.urls[0]!],
        { reconnect: { delayMs: 1, maxDelayMs: 1 } },
        { gap: (_session, missed) => lost.push(missed), disconnected: () => left.resolve() },
      );
      t.after(() => client.close({ graceful: false }));
      assert.equal((await client.sendAcked("handled")).status, "acknowledged");
      const { id } = client;
      await home.close({ graceful: false });
      await left.promise;
      client.send("meanwhile");
      await until("it goes on at the other", () => got.length === 2);
      assert.deepEqual(got, ["handled", "meanwhile"]);
      assert.deepEqual(lost, [{ topic: undefined, messages: 0, requests: 0 }]);
      assert.equal(other.counters.rejected, rejections);
      assert.notEqual(client.id, id);
    });
  }

  test("take no token of a secret that is not theirs", async (t) => {
    const [number, listen] = [1, "ws://127.0.0.1:0"];
    const [mine, theirs] = await Promise.all(
      [randomBytes(32), randomBytes(32)].map((secret) =>
        createServer({ listen, node: { number, secret } }, {}),
      ),
    );
    for (const server of [mine!, theirs!]) t.after(() => server.close({ graceful: false }));
    const client = await join(t, mine!);
    assert.equal(await client.switchTo(theirs!.urls[0]!), false);
  });
});

test("an application's refusal says where else a client may come", async (t) => {
  const target = "wss://other.example:443/";
  const server = await createServer(
    { listen: "ws://127.0.0.1:0" },
    { authenticate: () => refuse("full", { code: 300, target }) },
  );
  t.after(() => server.close({ graceful: false }));
  await assert.rejects(connect(server.urls[0]!), { rejectCode: 300, target });
  assert.throws(() => refuse("", { target: "nowhere" }), { code: "ERR_MILLRACE_INVALID_ARGUMENT" });
});

test("a node's options are checked", async () => {
  const secret = randomBytes(32);
  for (const node of [
    {},
    { number: -1, secret },
    { number: 1, secret: secret.subarray(1) },
    { number: 1, secret, targetOf: 1 },
  ]) {
    await assert.rejects(createServer({ listen: "ws://127.0.0.1:0", node: node as never }, {}), {
      code: "ERR_MILLRACE_INVALID_ARGUMENT",
    });
  }
});
