import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { describe, test } from "node:test";
import { frameCodec, jsonCodec, type TransportConnection } from "millrace";
import type { ClientSession } from "millrace/client";
import { type AuthenticateContext, refuse, type ServerBehaviour } from "millrace/server";
import { deferred } from "../../kit/deferred.js";
import { until } from "../../kit/until.js";
import { authority, identity } from "../../transport/suite/kit.js";
import { Exchange } from "../suite/exchange.js";
import { serverGroup } from "./group_kit.js";

const urls = [
  "ws://127.0.0.1:0",
  "wss://127.0.0.1:0",
  "tcp://127.0.0.1:0",
  "tls://127.0.0.1:0",
  "quic://127.0.0.1:0",
];

async function cutOff(client: ClientSession): Promise<void> {
  client.abandon();
  await until("it is detached", () => client.state === "disconnected");
}

for (const url of urls) {
  describe(`a session over ${url.split(":")[0]} that is taken up again at another thread than its own`, () => {
    test("goes on: nothing lost, nothing twice, in order, both ways", async (t) => {
      const exchange = new Exchange();
      const { serverBehaviour } = exchange;
      const group = await serverGroup(t, url, [serverBehaviour, serverBehaviour, serverBehaviour]);
      const client = await group.join(group.servers[0]!, {}, exchange.clientBehaviour);
      await exchange.run(client, group.servers[0]!, { rounds: 7, each: 200 }, async (round) => {
        await until("it is detached", () => client.state === "disconnected");
        const at = group.servers[(round + 1) % 3]!;
        assert.equal(await client.switchTo(at.urls[0]!), true);
      });
      await exchange.isWhole();
      assert.equal(group.ownerOf(client), group.servers[0], "the owner stays");
    });

    test("takes large messages both ways at once, whole and in order", async (t) => {
      const sizes = Array.from({ length: 40 }, (_, i) => [1_000_000, 100, 300_000, 0, 70_000][i % 5]!);
      const atServer: number[] = [];
      const behaviour: ServerBehaviour<unknown> = {
        message: (_session, message) => atServer.push(check(message.payload)),
      };
      const options = { queueBytes: 64 * 1024 * 1024 };
      const group = await serverGroup(t, url, [behaviour, behaviour], options);
      const atClient: number[] = [];
      const client = await group.join(group.servers[0]!, options, {
        message: (_session, message) => atClient.push(check(message.payload)),
      });
      await cutOff(client);
      assert.equal(await client.switchTo(group.servers[1]!.urls[0]!), true);
      for (const [i, size] of sizes.entries()) {
        assert.notEqual(client.send(new Uint8Array(size).fill(i)), "dropped");
        assert.notEqual(group.servers[0]!.sendTo(client.id, new Uint8Array(size).fill(i)), "dropped");
      }
      await until("all has come", () => atServer.length === sizes.length && atClient.length === sizes.length);
      assert.deepEqual(atServer, sizes);
      assert.deepEqual(atClient, sizes);
    });

    test("is let in by its owner, who sees where the client is", async (t) => {
      const contexts: [number, AuthenticateContext, boolean][] = [];
      const behaviourOf = (at: number): ServerBehaviour<unknown> => ({
        authenticate: (hello, context) => {
          contexts.push([at, context, hello.resuming]);
          return hello.tokenText === "no" ? refuse() : undefined;
        },
      });
      const group = await serverGroup(t, url, [behaviourOf(0), behaviourOf(1)]);
      const client = await group.join(group.servers[0]!, { clientId: "me", token: "yes" });
      await cutOff(client);
      assert.equal(await client.switchTo(group.servers[1]!.urls[0]!), true);
      const [first, second] = contexts;
      assert.deepEqual([first![0], second![0], second![2]], [0, 0, true]);
      assert.equal(second![1].transport, first![1].transport);
      assert.equal(second![1].remoteAddress.address, "127.0.0.1");
      assert.equal(second![1].clientId, "me");
    });

    test("speaks the codec that it had agreed on with whom it came to", async (t) => {
      const codecs = [jsonCodec, frameCodec];
      const behaviour: ServerBehaviour<unknown> = {
        requests: { upper: (_session, request) => request.text().toUpperCase() },
      };
      const group = await serverGroup(t, url, [behaviour, behaviour], { codecs });
      const client = await group.join(group.servers[0]!, { codecs: [jsonCodec] });
      await cutOff(client);
      assert.equal(await client.switchTo(group.servers[1]!.urls[0]!), true);
      const text = "a line of ten thousand letters ".repeat(300);
      const reply = await client.request("upper", text);
      assert.equal(reply.status === "success" && Buffer.from(reply.payload).toString(), text.toUpperCase());
    });
  });
}

for (const url of ["tls://127.0.0.1:0", "wss://127.0.0.1:0", "quic://127.0.0.1:0"]) {
  test(`over ${url.split(":")[0]} the session's thread sees the certificate that the client showed at another`, async (t) => {
    const seen: (string | undefined)[] = [];
    const behaviour: ServerBehaviour<unknown> = {
      authenticate: (_hello, { peerCertificate }) => void seen.push(peerCertificate?.fingerprint256),
    };
    const tls = { ...identity, clientCertificate: "require", clientCa: authority.certificate } as const;
    const group = await serverGroup(t, url, [behaviour, behaviour], { tls });
    const { certificate, privateKey } = await authority.issueClient({ name: "alice" });
    const client = await group.join(group.servers[0]!, {
      tls: { ca: authority.certificate, certificate, privateKey },
    });
    assert.equal(await client.switchTo(group.servers[1]!.urls[0]!), true);
    assert.equal(seen.length, 2);
    assert.equal(seen[0], new X509Certificate(certificate).fingerprint256);
    assert.equal(seen[1], seen[0]);
  });
}

test("over QUIC a session has its datagrams and its round trip through another thread, too", async (t) => {
  const group = await serverGroup(t, "quic://127.0.0.1:0", [{}, {}]);
  const heard: string[] = [];
  const client = await group.join(
    group.servers[0]!,
    {},
    { message: (_session, message) => void heard.push(message.text()) },
  );
  assert.equal(await client.switchTo(group.servers[1]!.urls[0]!), true);
  const session = group.servers[0]!.session(client.id)!;
  await until("it has moved", () => session.info.resumptions === 1);
  assert.ok(session.info.roundTripMs! > 0);
  const { maxDatagramBytes } = (session as unknown as { connection: TransportConnection }).connection;
  assert.ok(maxDatagramBytes! > 1_000);
  assert.throws(() => session.send(new Uint8Array(maxDatagramBytes!), { delivery: "unreliable" }), {
    code: "ERR_MILLRACE_FRAME_TOO_LARGE",
  });
  await until("one comes", () => {
    session.send("perhaps", { delivery: "unreliable" });
    return heard.length > 0;
  });
});

function check(payload: Uint8Array): number {
  assert.ok(payload.every((byte) => byte === payload[0]));
  return payload.length;
}

describe("a session that is taken up again at another thread than its own", () => {
  const url = "ws://127.0.0.1:0";

  test("keeps requests in flight, and heartbeats", async (t) => {
    const gate = deferred<void>();
    const behaviour: ServerBehaviour<unknown> = {
      requests: {
        wait: async () => {
          await gate.promise;
          return "done";
        },
      },
    };
    const group = await serverGroup(t, url, [behaviour, behaviour]);
    const client = await group.join(group.servers[0]!, { heartbeatMs: 1_000 });
    const reply = client.request("wait");
    await cutOff(client);
    assert.equal(await client.switchTo(group.servers[1]!.urls[0]!), true);
    gate.resolve();
    const answered = await reply;
    assert.equal(answered.status === "success" && Buffer.from(answered.payload).toString(), "done");
    const session = group.servers[0]!.session(client.id)!;
    await until("its heartbeat comes through", () => session.info.heartbeats > 0);
  });

  test("leaves the relay when it comes to its owner directly", async (t) => {
    const group = await serverGroup(t, url, [{}, {}]);
    const client = await group.join(group.servers[0]!);
    assert.equal(await client.switchTo(group.servers[1]!.urls[0]!), true);
    await until("it is there", () => group.servers[1]!.connectionCount === 1);
    assert.equal(await client.switchTo(group.servers[0]!.urls[0]!), true);
    await until("the relay is over", () => group.servers[1]!.connectionCount === 0);
    await until("one connection is left", () => group.servers[0]!.connectionCount === 1);
    assert.equal(group.servers[0]!.sessionCount, 1);
    assert.equal(client.state, "connected");
  });

  test("begins anew where its owner has ended", async (t) => {
    const group = await serverGroup(t, url, [{}, {}]);
    const client = await group.join(group.servers[0]!);
    assert.equal(await client.switchTo(group.servers[1]!.urls[0]!), true);
    const { id } = client;
    await group.servers[0]!.close({ graceful: false });
    await until("it is cut off", () => client.state === "disconnected");
    assert.equal(await client.switchTo(group.servers[1]!.urls[0]!), false);
    assert.notEqual(client.id, id);
    await until("it has begun anew", () => group.servers[1]!.sessionCount === 1);
  });

  test("goes on at its owner when the thread that relays it ends", async (t) => {
    const group = await serverGroup(t, url, [{}, {}]);
    const client = await group.join(group.servers[0]!);
    assert.equal(await client.switchTo(group.servers[1]!.urls[0]!), true);
    const { id } = client;
    await group.servers[1]!.close({ graceful: false });
    await until("it is cut off", () => client.state === "disconnected");
    await until("its owner knows", () => group.servers[0]!.session(id)!.state === "detached");
    assert.equal(await client.switchTo(group.servers[0]!.urls[0]!), true);
    assert.equal(client.id, id);
  });

  test("is told that a server stops, and gets what is queued, when all stop at once", async (t) => {
    const group = await serverGroup(t, url, [{}, {}], { queueBytes: 64 * 1024 * 1024 });
    const got: number[] = [];
    let goAways = 0;
    const client = await group.join(
      group.servers[0]!,
      {},
      {
        message: (_session, message) => got.push(message.payload.length),
        goAway: () => {
          goAways += 1;
        },
      },
    );
    assert.equal(await client.switchTo(group.servers[1]!.urls[0]!), true);
    const session = group.servers[0]!.session(client.id)!;
    await until("it has moved", () => session.info.resumptions === 1);
    for (let i = 0; i < 20; i += 1) group.servers[0]!.sendTo(client.id, new Uint8Array(500_000));
    await Promise.all(group.servers.map((server) => server.close({ graceful: true, deadlineMs: 60_000 })));
    await until("all has come", () => got.length === 20);
    assert.ok(goAways > 0);
    await until("it is cut off", () => client.state !== "connected");
  });

  test("is refused in time where its owner does not answer", async (t) => {
    const group = await serverGroup(t, url, [{}, {}]);
    const client = await group.join(group.servers[0]!);
    await cutOff(client);
    await group.servers[1]!.reload({ authenticateTimeoutMs: 300 });
    // An environment that never reads what is posted to it has the session.
    const { sessions } = group.peers;
    const handle = sessions.allocate();
    const words = new Uint32Array(Uint8Array.from(Buffer.from(client.id, "hex")).buffer);
    assert.ok(sessions.open(handle, { transport: 0, connection: 0, id: words }, 1));
    await assert.rejects(client.switchTo(group.servers[1]!.urls[0]!), {
      code: "ERR_MILLRACE_SESSION_REFUSED",
    });
    await until("nothing is left of it", () => group.servers[1]!.connectionCount === 0);
    assert.equal(group.servers[1]!.counters.rejected, 1);
  });

  test("counts as one who waits to be let in until its owner answers", async (t) => {
    const group = await serverGroup(t, url, [{}, {}], { limits: { unauthenticated: 1 } });
    const client = await group.join(group.servers[0]!);
    for (let i = 0; i < 3; i += 1) assert.equal(await client.switchTo(group.servers[1]!.urls[0]!), true);
    await group.join(group.servers[1]!);
  });
});
