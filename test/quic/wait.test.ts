import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as quic from "millrace/quic";
import { AbortedError, InvalidArgumentError, TimeoutError } from "#internal/errors.js";
import { within } from "#internal/transport/wait.js";
import { Loopback, rawAlpn } from "../kit/loopback.js";
import { openPair } from "../kit/pair.js";

const loopback = await Loopback.make();

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

test("asking for statistics, and a graceful close, can be bounded", async (t) => {
  const { client } = await openPair(loopback, t);
  await assert.rejects(client.statistics({ signal: AbortSignal.abort() }), AbortedError);
  await assert.rejects(client.statistics({ timeoutMs: -1 }), InvalidArgumentError);
  assert.ok((await client.statistics({ timeoutMs: 60_000 })).bytesSent > 0);
  await client.opened;
  assert.equal((await client.close({ signal: AbortSignal.abort() })).by, "local");
});
