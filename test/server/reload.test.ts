import assert from "node:assert/strict";
import { describe, type TestContext, test } from "node:test";
import { CredentialMismatchError, InvalidArgumentError } from "millrace";
import { connect } from "millrace/client";
import {
  createServer,
  FailureCode,
  type ReloadOptions,
  type Server,
  type ServerOptions,
} from "millrace/server";
import { Authority } from "millrace/testing";
import { u32 } from "#internal/delivery/meta.js";
import { readWelcome } from "#internal/delivery/welcome.js";
import { Kind } from "#internal/frame/frame.js";
import { until } from "../kit/until.js";
import { authority, identity } from "../transport/suite/kit.js";
import { sessionKit } from "./suite/kit.js";
import { RawClient } from "./suite/raw_client.js";

const kit = sessionKit({ url: "tcp://127.0.0.1:0" });
const hourMs = 3_600_000;
const asking = { ...identity, clientCertificate: "require", clientCa: authority.certificate } as const;

/** The session of a client that takes so many bytes before it acknowledges. */
async function withWindow(t: TestContext, server: Server, windowBytes: number) {
  const client = await RawClient.connect(t, kit.under, server);
  await client.begin({ meta: [{ key: "window", value: u32(windowBytes, "window") }] });
  await until("it has begun", () => server.sessionCount === 1);
  const [session] = server.sessions().sessions;
  return { client, session: session! };
}

describe("reloading options", () => {
  test("holds addresses to other limits, and lets stay who is there", async (t) => {
    const server = await kit.serve(t, {});
    await kit.join(t, server);
    await kit.join(t, server);
    await until("both have begun", () => server.sessionCount === 2);
    await server.reload({ limits: { sessionsPerAddress: 1 } });
    await assert.rejects(kit.join(t, server), /as many sessions of this address/);
    assert.equal(server.sessionCount, 2);
    await server.reload({ limits: { sessionsPerAddress: 3 } });
    await kit.join(t, server);
    await server.reload({ limits: { connectionsPerSecondPerAddress: 0.001 } });
    await kit.join(t, server);
    await assert.rejects(kit.join(t, server));
    await server.reload({ limits: { connectionsPerSecond: 0.001 } });
    await kit.join(t, server);
    await assert.rejects(kit.join(t, server));
    await server.reload({ limits: {} });
    await kit.join(t, server);
  });

  test("holds to another number and another time those who have not shown who they are", async (t) => {
    const server = await kit.serve(t, {}, { authenticateTimeoutMs: hourMs });
    const silent = await RawClient.connect(t, kit.under, server);
    await until("it is there", () => server.connectionCount === 1);
    await server.reload({ limits: { unauthenticated: 1 } });
    await assert.rejects(kit.join(t, server));
    await server.reload({ authenticateTimeoutMs: 100 });
    await silent.closed;
    await kit.join(t, server);
  });

  test("runs handlers by other limits", async (t) => {
    let release!: () => void;
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    const server = await kit.serve(t, { requests: { wait: async () => gate } });
    await server.reload({ dispatcher: { concurrency: 1, maxQueued: 0 } });
    const client = await kit.join(t, server);
    const first = client.request("wait");
    const second = await client.request("wait");
    assert.equal(second.status === "failure" && second.code, FailureCode.overloaded);
    release();
    assert.equal((await first).status, "success");
  });

  test("bounds the requests that wait for answers anew, and how long they do", async (t) => {
    const server = await kit.serve(t, {}, { requestTimeoutMs: hourMs });
    await kit.join(t, server, { clientId: "ada" }, { request: async () => new Promise<never>(() => {}) });
    await until("it has begun", () => server.sessionCount === 1);
    await server.reload({ maxPendingRequests: 1, requestTimeoutMs: 20 });
    const waits = server.request({ clientId: "ada" }, "wait");
    await assert.rejects(server.request({ clientId: "ada" }, "wait"), /maxPendingRequests/);
    assert.deepEqual(await waits, { status: "timeout" });
  });

  test("bounds the queues of sessions that are there anew, by another policy", async (t) => {
    const server = await kit.serve(t, {});
    const { session } = await withWindow(t, server, 100);
    session.send(new Uint8Array(200)); // all credit is spent: from now on messages wait
    assert.notEqual(session.send(new Uint8Array(2_000)), "dropped");
    await server.reload({ queueBytes: 1_024 });
    assert.equal(session.send(new Uint8Array(500)), "dropped");
    await server.reload({ queuePolicy: "close" });
    assert.equal(session.send(new Uint8Array(500)), "dropped");
    assert.equal(session.state, "closed");
  });

  test("tells sessions that are there of another mark that they are blocked", async (t) => {
    const server = await kit.serve(t, {});
    const { session } = await withWindow(t, server, 100);
    session.send(new Uint8Array(200)); // all credit is spent: from now on messages wait
    assert.equal(session.send(new Uint8Array(2_000)), "sent");
    await server.reload({ highWaterMarkBytes: 1_024 });
    assert.equal(session.send("x"), "blocked");
    await server.reload({ highWaterMarkBytes: 100_000 });
    assert.equal(session.send("x"), "sent");
  });

  test("keeps less of what is not acknowledged", async (t) => {
    const server = await kit.serve(t, {});
    const { client, session } = await withWindow(t, server, 1_000_000);
    await server.reload({ replayBytes: 4_096 });
    for (let i = 0; i < 2; i += 1) session.send(new Uint8Array(3_000));
    assert.equal((await client.next()).seq, 1);
    assert.ok(session.info.bytesUnacknowledged < 4_096 && session.bytesQueued >= 3_000);
    client.say({ kind: Kind.Ack, ref: 1 });
    assert.equal((await client.next()).seq, 2);
  });

  test("gives sessions another patience", async (t) => {
    const ends: string[] = [];
    const server = await kit.serve(t, { close: (_session, { by, reason }) => ends.push(`${by} ${reason}`) });
    const detached = await kit.join(t, server);
    await until("it has begun", () => server.sessionCount === 1);
    detached.abandon();
    await server.reload({ resumeWindowMs: 50 });
    await until("it has expired", () => ends.length === 1);
    await kit.join(t, server);
    await server.reload({ idleTimeoutMs: 100 });
    await until("it is idle", () => ends.length === 2);
    assert.deepEqual(ends, ["expired not resumed", "local idle"]);
    await server.reload({ heartbeat: { intervalMs: 1_000, timeoutMs: 2_000 } });
    const client = await RawClient.connect(t, kit.under, server);
    const welcome = readWelcome(await client.begin({ meta: [{ key: "heartbeat", value: u32(60_000, "") }] }));
    assert.equal(welcome.heartbeatMs, 1_000);
  });

  test("treats clients that come again otherwise", async (t) => {
    const server = await kit.serve(t, {});
    await kit.join(t, server, { clientId: "ada" });
    await until("it has begun", () => server.sessionCount === 1);
    await server.reload({ sameClient: "reject" });
    await assert.rejects(kit.join(t, server, { clientId: "ada" }), /has a session already/);
  });

  const wrong: readonly (readonly [string, object, RegExp])[] = [
    ["one that cannot be reloaded", { maxSessions: 7 }, /maxSessions cannot be reloaded: .* make another/],
    ["one that is unknown", { limit: {} }, /did you mean limits/],
    ["a limit that is none", { limits: { sessionsPerAddress: 0 } }, /limits.sessionsPerAddress must be/],
    ["a dispatcher that is none", { dispatcher: { concurrency: 0 } }, /concurrency must be/],
    ["a certificate where there is no TLS", { tls: identity }, /no listener has TLS/],
  ];
  for (const [what, options, message] of wrong) {
    test(`refuses ${what}, and changes nothing`, async (t) => {
      const server = await kit.serve(t, {});
      await kit.join(t, server);
      const changes: ReloadOptions = { sameClient: "reject", limits: { sessionsPerAddress: 1 }, ...options };
      await assert.rejects(server.reload(changes), (error) => {
        assert.ok(error instanceof InvalidArgumentError);
        assert.match(error.message, message);
        return true;
      });
      await kit.join(t, server);
    });
  }
});

describe("reloading certificates", () => {
  for (const url of ["quic://127.0.0.1:0", "tls://127.0.0.1:0", "wss://127.0.0.1:0"]) {
    test(`shows others to who comes later, over ${url.slice(0, url.indexOf(":"))}`, async (t) => {
      const options: ServerOptions = {
        listen: url,
        tls: { ...identity, serverNames: { localhost: identity } },
      };
      const server = await createServer(options, { request: () => "yes" });
      t.after(() => server.close({ graceful: false }));
      const join = async (ca: string, serverName: string) => {
        const session = await connect(server.urls[0]!, { tls: { ca, serverName } });
        t.after(() => session.close({ graceful: false }));
        return session;
      };
      const old = await join(authority.certificate, "localhost");
      const others = await Authority.make();
      const fresh = await others.issue();
      const mixed = { certificate: fresh.certificate, privateKey: identity.privateKey };
      await assert.rejects(server.reload({ tls: mixed }), CredentialMismatchError);
      await join(authority.certificate, "localhost");

      await server.reload({ tls: { ...fresh, serverNames: { localhost: fresh } } });
      for (const name of ["localhost", "127.0.0.1"]) {
        await join(others.certificate, name);
        await assert.rejects(join(authority.certificate, name));
      }
      assert.equal((await old.request("still there?")).status, "success");
    });
  }

  test("asks for clients' certificates where none were asked for, over QUIC", async (t) => {
    const server = await kit.serve(t, {}, { listen: "quic://127.0.0.1:0" });
    await kit.join(t, server);
    await server.reload({ tls: asking });
    await assert.rejects(kit.join(t, server));
    await kit.join(t, server, {
      tls: { ca: authority.certificate, ...(await authority.issueClient({ name: "ada" })) },
    });
  });

  for (const scheme of ["tls", "wss"]) {
    test(`cannot ask for clients' certificates where none were asked for, over ${scheme}: nothing changes, and it says what to do`, async (t) => {
      const listen = ["quic://127.0.0.1:0", `${scheme}://127.0.0.1:0`];
      const server = await kit.serve(t, {}, { listen });
      await assert.rejects(server.reload({ tls: asking, limits: { sessionsPerAddress: 1 } }), {
        code: "ERR_MILLRACE_INVALID_ARGUMENT",
        message: /clientCertificate must be as it was for .*; close this one and make another/,
      });
      await kit.join(t, server); // over QUIC, as before
      await kit.join(t, server);
    });

    test(`believes the clients of another authority where certificates are asked for, over ${scheme}`, async (t) => {
      const server = await kit.serve(t, {}, { listen: `${scheme}://127.0.0.1:0`, tls: asking });
      const others = await Authority.make();
      const [ours, theirs] = await Promise.all([
        authority.issueClient({ name: "ada" }),
        others.issueClient({ name: "ada" }),
      ]);
      const joinAs = (as: typeof ours) => kit.join(t, server, { tls: { ca: authority.certificate, ...as } });
      await joinAs(ours);
      await assert.rejects(joinAs(theirs));
      await server.reload({ tls: { ...asking, clientCa: others.certificate } });
      await joinAs(theirs);
      await assert.rejects(joinAs(ours));
    });
  }
});
