import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer as createTcpServer } from "node:net";
import { describe, test } from "node:test";
import {
  AbortedError,
  CloseCode,
  type CloseInfo,
  FrameTooLargeError,
  HandshakeFailedError,
  HandshakeTimeoutError,
  InvalidArgumentError,
  UnknownTransportError,
} from "millrace";
import { listen } from "millrace/websocket";
import { connect } from "#internal/client/browser.js";
import { parseTransportUrl } from "#internal/transport/address.js";
import type { WebSocketBehaviour } from "#internal/websocket/behaviour.js";
import { browserTransport } from "#internal/websocket/browser.js";
import { deferred } from "../kit/deferred.js";
import { providePageSocket } from "../kit/page_socket.js";
import { until } from "../kit/until.js";

providePageSocket();

function open(url: string, behaviour: WebSocketBehaviour, options: object = {}) {
  const defaults = {
    protocols: ["test.v1"],
    maxFrameBytes: 1_000_000,
    highWaterMarkBytes: 64 * 1024,
    idleTimeoutMs: 0,
    handshakeTimeoutMs: 10_000,
    tls: undefined,
    signal: undefined,
  };
  return browserTransport.connect({ ...defaults, ...options, url: parseTransportUrl(url) }, {
    open() {},
    frame() {},
    drain() {},
    close() {},
    ...behaviour,
  } as never);
}

describe("a browser's WebSocket", () => {
  test("says blocked above the mark, dropped beyond, and drain when the queue has gone", async (t) => {
    let received = 0;
    const listener = await listen(
      "ws://127.0.0.1:0",
      {
        frame: (_connection, frame) => {
          received += frame.length;
        },
      },
      { protocols: ["test.v1"] },
    );
    t.after(() => listener.close());
    const drained = deferred();
    const connection = await open(listener.url, { drain: () => drained.resolve() });
    const message = new Uint8Array(32 * 1024);
    const results: string[] = [];
    let accepted = 0;
    while (results.at(-1) !== "dropped") {
      results.push(connection.send(message));
      if (results.at(-1) !== "dropped") accepted += message.length;
    }
    assert.ok(results.indexOf("blocked") === results.length - 2, results.join());
    await drained.promise;
    assert.equal(connection.send(message), "sent");
    await until("all has come", () => received === accepted + message.length);
    connection.close();
  });

  test("gives the close code and reason to the other side, either way, and ends once", async (t) => {
    const told: CloseInfo[] = [];
    const listener = await listen(
      "ws://127.0.0.1:0",
      {
        close: (_connection, info) => void told.push(info),
        frame: (connection) => connection.close({ code: 300, reason: "enough" }),
      },
      { protocols: ["test.v1"] },
    );
    t.after(() => listener.close());
    const mine: CloseInfo[] = [];
    const close = (_connection: unknown, info: CloseInfo) => void mine.push(info);
    const first = await open(listener.url, { close });
    first.close({ code: 256, reason: "bye" });
    await until("both know", () => told.length === 1 && mine.length === 1);
    assert.deepEqual(told[0], { by: "peer", code: 256, reason: "bye" });
    assert.deepEqual(mine[0], { by: "local", code: 256, reason: "bye" });
    const second = await open(listener.url, { close });
    second.send(new Uint8Array(1));
    await until("the other end is known", () => mine.length === 2);
    assert.deepEqual(mine[1], { by: "peer", code: 300, reason: "enough" });
    assert.equal(second.state, "closed");
    assert.equal(second.bytesQueued, 0);
  });

  test("closes a peer whose message is too large, and cuts off at once where that is asked", async (t) => {
    const told: CloseInfo[] = [];
    const listener = await listen(
      "ws://127.0.0.1:0",
      {
        open: (connection) => void connection.send(new Uint8Array(2_000)),
        close: (_connection, info) => void told.push(info),
      },
      { protocols: ["test.v1"] },
    );
    t.after(() => listener.close());
    const mine: CloseInfo[] = [];
    const close = (_connection: unknown, info: CloseInfo) => void mine.push(info);
    await open(listener.url, { close }, { maxFrameBytes: 1_000 });
    await until("both know", () => told.length === 1 && mine.length === 1);
    assert.equal(told[0]!.code, CloseCode.frameTooLarge);
    assert.ok(mine[0]!.error instanceof FrameTooLargeError);
    const second = await open(listener.url, { close });
    second.close({ graceful: false });
    await until("it has ended", () => mine.length === 2);
    assert.equal(mine[1]!.by, "local");
    await until("the server knows", () => told.length === 2);
  });

  test("is closed as idle when nothing comes for the idle timeout", async (t) => {
    const listener = await listen("ws://127.0.0.1:0", { frame() {} }, { protocols: ["test.v1"] });
    t.after(() => listener.close());
    const ended = deferred<CloseInfo>();
    const close = (_connection: unknown, info: CloseInfo) => ended.resolve(info);
    await open(listener.url, { close }, { idleTimeoutMs: 100 });
    assert.match((await ended.promise).error!.message, /idle timeout/);
  });

  test("takes text as UTF-8 and sends it so, and refuses what is none", async (t) => {
    const listener = await listen(
      "ws://127.0.0.1:0",
      { text: (connection, text) => void connection.sendText(text) },
      { protocols: ["test.v1"] },
    );
    t.after(() => listener.close());
    const heard = deferred<string>();
    const connection = await open(listener.url, {
      text: (_connection, text) => heard.resolve(new TextDecoder().decode(text)),
    });
    assert.throws(() => connection.sendText!(Uint8Array.of(0xff)), InvalidArgumentError);
    connection.sendText!(new TextEncoder().encode("\ufeffmühle"));
    assert.equal(await heard.promise, "mühle"); // as a decoder reads it: the mark came back, too
    connection.close();
  });
});

describe("millrace/client for browsers", () => {
  test("refuses what a browser cannot do, and tells what ended a handshake", async (t) => {
    const silent = createTcpServer().listen(0, "127.0.0.1");
    await once(silent, "listening");
    t.after(() => silent.close());
    const silentUrl = `ws://127.0.0.1:${(silent.address() as { port: number }).port}`;
    const begin = (url: string, options = {}) => connect(url, options);
    await assert.rejects(begin("ws://127.0.0.1:1", { tls: {} }), InvalidArgumentError);
    await assert.rejects(begin("quic://127.0.0.1:1"), UnknownTransportError);
    await assert.rejects(begin("ws://127.0.0.1:1"), HandshakeFailedError);
    await assert.rejects(begin(silentUrl, { connectTimeoutMs: 100 }), HandshakeTimeoutError);
    await assert.rejects(begin(silentUrl, { signal: AbortSignal.timeout(50) }), AbortedError);
  });
});
