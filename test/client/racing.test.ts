import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { type ClientOptions, type NetworkNote, probe } from "millrace/client";
import { createServer, refuse, type Server, type ServerBehaviour, wellKnown } from "millrace/server";
import { createRelay } from "millrace/testing";
import { silentUdp } from "../kit/silent_peer.js";
import { until } from "../kit/until.js";
import { authority, identity } from "../transport/suite/kit.js";
import { joined } from "./joined.js";

const listen = ["quic://127.0.0.1:0", "wss://127.0.0.1:0", "tls://127.0.0.1:0"];
const tls = { ca: authority.certificate };

async function serve(t: TestContext, behaviour: ServerBehaviour = {}): Promise<Server> {
  const server: Server = await createServer(
    { listen, tls: identity, http: wellKnown(() => server.urls) },
    behaviour,
  );
  t.after(() => server.close({ graceful: false }));
  return server;
}

/** A port of this machine where nothing ever answers QUIC. */
async function blockedUdp(t: TestContext): Promise<string> {
  const silent = await silentUdp();
  t.after(() => silent.close());
  return `quic://127.0.0.1:${silent.port}`;
}

describe("a session by several URLs", () => {
  it("is over QUIC where that answers in its head start, and no other is tried", async (t) => {
    const server = await serve(t);
    const [quic, wss, tcp] = server.urls as [string, string, string];
    const session = await joined(t, [wss, tcp, quic], { headStartMs: 60_000 });
    assert.equal(session.transport, "quic");
    assert.equal(server.connectionCount, 1);
  });

  it("is over the transport that is preferred", async (t) => {
    const server = await serve(t);
    const options = { headStartMs: 60_000, preferredTransport: "tcp" };
    assert.equal((await joined(t, server.urls, options)).transport, "tcp");
  });

  it("is one session on one connection, however many have raced", async (t) => {
    const server = await serve(t);
    for (let i = 0; i < 5; i += 1) {
      const session = await joined(t, server.urls, { headStartMs: 0 });
      assert.equal((await session.request("nothing")).status, "failure");
      await until("the losers are gone", () => server.connectionCount === i + 1);
      assert.equal(server.sessionCount, i + 1);
    }
  });

  it("is over another where UDP is blocked, and the next time without waiting for that", async (t) => {
    const server = await serve(t);
    const urls = [await blockedUdp(t), server.urls[1]!];
    const networkStore = new Map<string, NetworkNote>();
    const first = await joined(t, urls, {
      headStartMs: 50,
      networkStore,
      network: () => "train",
    } as ClientOptions);
    assert.equal(first.transport, "websocket");
    await until("it is remembered", () => networkStore.size === 1);
    assert.deepEqual([...networkStore.keys()], [`train ${urls[0]}`]);
    const options = { headStartMs: 60_000, networkStore, network: () => "train" } as ClientOptions;
    assert.equal((await joined(t, urls, options)).transport, "websocket");
  });

  it("is tried with the head start again when that memory has expired", async (t) => {
    const server = await serve(t);
    const [quic, wss] = server.urls as [string, string];
    const networkStore = new Map([[` ${quic}`, { udpBlockedUntilMs: Date.now() }]]);
    const session = await joined(t, [quic, wss], { networkStore, headStartMs: 60_000 } as ClientOptions);
    assert.equal(session.transport, "quic");
    await until("that QUIC answers is remembered", () => networkStore.get(` ${quic}`) === undefined);
  });

  it("goes without a store that fails, and says so", async (t) => {
    const server = await serve(t);
    const failure = new Error("disk full");
    const errors: unknown[] = [];
    const fail = () => {
      throw failure;
    };
    const networkStore = { get: fail, set: fail };
    await joined(t, server.urls, { networkStore }, { error: (_session, cause) => errors.push(cause) });
    await until("it is told", () => errors.length > 0);
    assert.equal(errors[0], failure);
    await joined(t, server.urls, { networkStore });
  });

  it("is refused once, whatever the number of URLs", async (t) => {
    const server = await serve(t, { authenticate: () => refuse("who are you?", { code: 300 }) });
    await assert.rejects(joined(t, server.urls), { code: "ERR_MILLRACE_SESSION_REFUSED", rejectCode: 300 });
  });

  it("fails with what each has failed with", async (t) => {
    const server = await serve(t);
    const urls = server.urls.slice(1);
    await server.close();
    await assert.rejects(
      joined(t, urls),
      (error: Error & { errors: { url: string; error: { code: string } }[] }) => {
        assert.deepEqual(
          error.errors.map(({ url, error: { code } }) => [url, code]),
          urls.map((url) => [url, "ERR_MILLRACE_CONNECTION_REFUSED"]),
        );
        return true;
      },
    );
  });

  it("is found by the host alone", async (t) => {
    const server = await serve(t);
    const host = new URL(server.urls[1]!.replace("wss:", "https:")).origin;
    const session = await joined(t, host, { headStartMs: 60_000 });
    assert.equal(session.transport, "quic");
    assert.equal(await session.switchTo("tcp"), true, "the host has named that, too");
    await assert.rejects(joined(t, host, { tls: undefined }), { code: "ERR_MILLRACE_CERTIFICATE_UNTRUSTED" });
  });
});

describe("a probe", () => {
  it("measures every URL, begins no session, and leaves no connection", async (t) => {
    let opened = 0;
    const server = await serve(t, {
      open: () => {
        opened += 1;
      },
    });
    const { urls } = await probe(server.urls, { tls, probe: { messages: 5, throughputBytes: 1_000_000 } });
    assert.deepEqual([...urls].map(({ url }) => url).sort(), [...server.urls].sort());
    for (const { connectMs, messageMs, bytesPerSecond, successRate, error, score } of urls) {
      assert.equal(error, undefined);
      assert.ok(connectMs! > 0 && messageMs! > 0 && bytesPerSecond! > 0 && score > 0 && score <= 1);
      assert.equal(successRate, 1);
    }
    await until("all connections are gone", () => server.connectionCount === 0);
    assert.equal(opened, 0);
    assert.equal(server.sessionCount, 0);
  });

  it("puts last what is far, and what does not answer, and waits for that only so long", async (t) => {
    const server = await serve(t);
    const [quic, wss] = server.urls as [string, string];
    const { address, port } = { address: "127.0.0.1", port: Number(new URL(quic).port) };
    const relay = await createRelay({
      target: { address, port },
      toServer: { delayMs: 20 },
      toClient: { delayMs: 20 },
    });
    t.after(() => relay.close());
    const far = `quic://127.0.0.1:${relay.address.port}`;
    const blocked = await blockedUdp(t);
    const result = await probe([blocked, far, wss], { tls, probe: { timeoutMs: 30_000 } });
    assert.deepEqual(
      result.urls.map(({ url }) => url),
      [wss, far, blocked],
    );
    assert.ok(result.elapsedMs < 30_000);
    const [, ofFar, ofBlocked] = result.urls;
    assert.ok(ofFar!.messageMs! >= 40, `${ofFar!.messageMs}`);
    assert.deepEqual([ofBlocked!.connectMs, ofBlocked!.successRate, ofBlocked!.score], [undefined, 0, 0]);
  });

  it("ends when its time is over, and when its caller gives up", async (t) => {
    const blocked = await blockedUdp(t);
    const { urls } = await probe(blocked, { probe: { timeoutMs: 50 } });
    assert.equal(urls[0]!.connectMs, undefined);
    const controller = new AbortController();
    const probing = probe(blocked, { signal: controller.signal });
    controller.abort();
    await assert.rejects(probing, { code: "ERR_MILLRACE_ABORTED" });
  });

  it("decides the order of a session's race, and gives the figures to the application", async (t) => {
    const server = await serve(t);
    const [quic, wss] = server.urls as [string, string];
    const relay = await createRelay({
      target: { address: "127.0.0.1", port: Number(new URL(quic).port) },
      toClient: { delayMs: 50 },
    });
    t.after(() => relay.close());
    const far = `quic://127.0.0.1:${relay.address.port}`;
    const ordered: string[][] = [];
    const session = await joined(
      t,
      [far, wss],
      { probe: { messages: 3, throughputBytes: 0 }, headStartMs: 60_000 },
      { probed: (_session, { urls }) => ordered.push(urls.map(({ url }) => url)) },
    );
    assert.deepEqual(ordered, [[wss, far]]);
    assert.equal(session.transport, "websocket");
    const without = await joined(t, [far, wss], { headStartMs: 60_000 });
    assert.equal(without.transport, "quic");
  });

  it("refuses options that are none", async () => {
    for (const options of [{ messages: 0 }, { timeoutMs: 0 }, { weights: { speed: 1 } }, { messges: 1 }]) {
      await assert.rejects(probe("wss://127.0.0.1:1", { probe: options as never }), {
        code: "ERR_MILLRACE_INVALID_ARGUMENT",
      });
    }
  });
});
