import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import dns from "node:dns/promises";
import { syncBuiltinESMExports } from "node:module";
import { describe, type TestContext, test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { connect } from "millrace";
import * as quic from "millrace/quic";
import { createRelay } from "millrace/testing";
import { AbortedError, HandshakeTimeoutError, InvalidArgumentError, TimeoutError } from "#internal/errors.js";
import { within } from "#internal/transport/wait.js";
import { Loopback, rawAlpn } from "../kit/loopback.js";
import { openPair } from "../kit/pair.js";
import { until } from "../kit/until.js";

const loopback = await Loopback.make();

const echo: quic.QuicBehaviour = {
  data: (stream, chunk) => {
    stream.write(chunk);
  },
};

describe("a wait", () => {
  test("ends by its signal, with the cause that was given", async () => {
    const controller = new AbortController();
    const waiting = within(new Promise(() => {}), "waiting", { signal: controller.signal });
    controller.abort("enough");
    await assert.rejects(
      waiting,
      (error: Error) => error instanceof AbortedError && error.cause === "enough",
    );
  });

  test("ends at its time", async () => {
    await assert.rejects(within(new Promise(() => {}), "waiting", { timeoutMs: 5 }), TimeoutError);
  });

  test("leaves neither a timer nor a listener behind when it ends as it should", async () => {
    const controller = new AbortController();
    let listeners = 0;
    const { signal } = controller;
    const add = signal.addEventListener.bind(signal);
    const remove = signal.removeEventListener.bind(signal);
    signal.addEventListener = (...args: Parameters<typeof add>) => {
      listeners += 1;
      add(...args);
    };
    signal.removeEventListener = (...args: Parameters<typeof remove>) => {
      listeners -= 1;
      remove(...args);
    };
    const timers = () => process.getActiveResourcesInfo().filter((name) => name === "Timeout").length;
    const before = timers();
    assert.equal(await within(Promise.resolve(7), "waiting", { signal, timeoutMs: 100_000 }), 7);
    await Promise.resolve();
    assert.deepEqual([listeners, timers()], [0, before]);
  });
});

test("listening is given up when its signal has fired or fires, and holds no port then", async (t) => {
  const controller = new AbortController();
  const options = { host: "127.0.0.1", port: 0, alpn: [rawAlpn], tls: loopback.identity };
  const giveUp = quic.listen({ ...options, signal: controller.signal }, {});
  controller.abort();
  await assert.rejects(giveUp, AbortedError);
  await assert.rejects(quic.listen({ ...options, signal: controller.signal }, {}), AbortedError);
  await assert.rejects(quic.listen({ ...options, timeoutMs: 0 }, {}), InvalidArgumentError);

  const listener = await loopback.listenRaw(t, {}, { timeoutMs: 60_000 });
  await assert.rejects(listener.close({ signal: AbortSignal.abort() }), AbortedError);
  await listener.close({ timeoutMs: 60_000 });
});

/** Nobody answers questions for addresses, until the test ends. */
function silenceResolver(t: TestContext): void {
  t.mock.method(dns, "lookup", () => new Promise(() => {}));
  syncBuiltinESMExports();
  t.after(() => {
    t.mock.restoreAll();
    syncBuiltinESMExports();
  });
}

describe("a name server that never answers", () => {
  const tls = loopback.identity;
  const listening = { host: "silent.example", port: 0, alpn: [rawAlpn], tls };
  const connecting = { alpn: [rawAlpn], tls: { ca: loopback.ca } };
  const url = "quic://silent.example:4433";

  test("holds neither listen nor connect beyond their time", async (t) => {
    silenceResolver(t);
    await assert.rejects(quic.listen({ ...listening, timeoutMs: 20 }, {}), TimeoutError);
    await assert.rejects(quic.connect(url, { ...connecting, handshakeTimeoutMs: 20 }), HandshakeTimeoutError);
    await assert.rejects(
      connect(url, {}, { tls: { ca: loopback.ca }, handshakeTimeoutMs: 20 }),
      HandshakeTimeoutError,
    );
  });

  test("nor beyond their signal", async (t) => {
    silenceResolver(t);
    const attempts = [
      (signal: AbortSignal) => quic.listen({ ...listening, signal }, {}),
      (signal: AbortSignal) => quic.connect(url, { ...connecting, signal }),
    ];
    for (const attempt of attempts) {
      const controller = new AbortController();
      const waiting = assert.rejects(attempt(controller.signal), AbortedError);
      await turn();
      controller.abort();
      await waiting;
    }
  });
});

/** What a caller may wait for, each of which the engine answers soon. */
async function waits(
  t: TestContext,
): Promise<Readonly<Record<string, (options: quic.WaitOptions) => Promise<unknown>>>> {
  const resumption = { ticketKeys: [{ id: randomBytes(16), key: randomBytes(32) }] };
  const { client } = await openPair(loopback, t);
  const listener = await loopback.listenRaw(t, {}, { resumption });
  return {
    statistics: (options) => client.statistics(options),
    updateTls: (options) => listener.updateTls(loopback.identity, options),
    setTicketKeys: (options) => listener.setTicketKeys(resumption.ticketKeys, options),
    configureEngine: (options) => quic.configureEngine({ retry: "underLoad" }, options),
    "listener.close": (options) => listener.close(options),
  };
}

test("each wait for the engine ends at its time, and by its signal", async (t) => {
  for (const [what, ask] of Object.entries(await waits(t))) {
    if (what !== "listener.close") await ask({ timeoutMs: 60_000, signal: new AbortController().signal });
    t.mock.timers.enable({ apis: ["setTimeout"] });
    const late = assert.rejects(ask({ timeoutMs: 1 }), TimeoutError, what);
    t.mock.timers.tick(1); // before this thread can hear the answer
    t.mock.timers.reset();
    await late;
    const controller = new AbortController();
    const aborted = assert.rejects(
      ask({ signal: controller.signal }),
      (error: Error) => error instanceof AbortedError && error.cause === what,
    );
    controller.abort(what);
    await aborted;
    await assert.rejects(ask({ signal: AbortSignal.abort() }), AbortedError, what);
    await assert.rejects(ask({ timeoutMs: 0 }), InvalidArgumentError, what);
  }
});

test("moving to another address ends at its time, and by its signal", async (t) => {
  const { client, server } = await openPair(loopback, t, { behaviour: echo });
  const relay = await createRelay({ target: server.localAddress });
  t.after(() => relay.close());
  const far = await loopback.connectRaw(t, relay.address.port);
  const stream = far.openStream();
  stream.write(new Uint8Array(1));
  await until("the handshake is confirmed", () => stream.bytesReceived === 1);
  relay.block();
  // Each move takes a connection id of the peer's, which gives no more of them now.
  let moves = 0;
  const moved = async () => {
    await far.rebind({ timeoutMs: 2_000 });
    moves += 1;
  };
  await assert.rejects(async () => {
    while (moves < 100) await moved();
  }, TimeoutError);
  const controller = new AbortController();
  const waiting = assert.rejects(far.rebind({ signal: controller.signal }), AbortedError);
  await turn();
  controller.abort();
  await waiting;
  assert.equal(far.state, "open");
  assert.equal(client.state, "open");
});

test("iterating over a stream that brings nothing ends when its reader says so, in the middle of a step", async (t) => {
  const { client } = await openPair(loopback, t, { behaviour: { data() {} } });
  const stream = client.openStream();
  stream.write(new Uint8Array(1));
  const controller = new AbortController();
  controller.signal.addEventListener("abort", () => stream.stopSending(), { once: true });
  const steps = (async () => {
    let count = 0;
    for await (const _ of stream) count += 1;
    return count;
  })();
  await turn();
  controller.abort();
  assert.equal(await steps, 0);
  assert.equal(client.state, "open");
});

test("asking for statistics, and a graceful close, can be bounded", async (t) => {
  const { client } = await openPair(loopback, t);
  await assert.rejects(client.statistics({ signal: AbortSignal.abort() }), AbortedError);
  await assert.rejects(client.statistics({ timeoutMs: -1 }), InvalidArgumentError);
  assert.ok((await client.statistics({ timeoutMs: 60_000 })).bytesSent > 0);
  await client.opened;
  assert.equal((await client.close({ signal: AbortSignal.abort() })).by, "local");
});
