import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type Connection, connect, InvalidArgumentError, listen, publish } from "millrace";
import * as webSocket from "millrace/websocket";
import { Loopback } from "../kit/loopback.js";
import { until } from "../kit/until.js";

const loopback = await Loopback.make();

/** More bytes than it has, by its own account: those of others would be sent for them. */
class Liar extends Uint8Array {
  override get length(): number {
    return 30_000;
  }
}

/** Every one looks like bytes to somebody. */
function notBytes(): unknown[] {
  const transferred = new Uint8Array(8);
  structuredClone(transferred.buffer, { transfer: [transferred.buffer] });
  return [
    new Liar(3),
    Object.defineProperty(new Uint8Array(3), "length", { value: 30_000 }),
    new Proxy(new Uint8Array(3), {}),
    Object.create(Uint8Array.prototype),
    transferred,
    new Float64Array(2),
    new ArrayBuffer(3),
    { length: 5 },
    [1, 2],
    "text",
    5,
    null,
    undefined,
    Symbol("x"),
  ];
}

for (const url of ["quic://127.0.0.1:0", "ws://127.0.0.1:0"]) {
  test(`what is no bytes is refused by send and publish, and the connection stays (${url})`, async (t) => {
    const got: number[][] = [];
    let accepted: Connection | undefined;
    const listener = await loopback.listen(
      t,
      {
        open(connection) {
          accepted = connection;
        },
        message: (_, bytes) => void got.push([...bytes]),
      },
      { url },
    );
    const client = await loopback.connect(t, listener.urls[0]!, {
      message: (_, bytes) => void got.push([...bytes]),
    });
    await until("it is accepted", () => accepted !== undefined);
    for (const connection of [client, accepted!]) {
      for (const wrong of notBytes() as Uint8Array[]) {
        assert.throws(() => connection.send(wrong), InvalidArgumentError);
        assert.throws(() => publish([connection], wrong), InvalidArgumentError);
      }
      connection.send(Uint8Array.of(7));
    }
    await until("the honest ones came", () => got.length === 2);
    assert.deepEqual(got, [[7], [7]]);
  });
}

test("publish and every call with a URL refuse what is neither, by a typed error", async () => {
  const odd = [null, 5, Symbol("x"), Object.create(null), Object.create(URL.prototype), {}] as never[];
  const behaviour: webSocket.WebSocketBehaviour = { open() {}, frame() {}, drain() {}, close() {} };
  for (const given of odd) {
    assert.throws(() => publish(given, new Uint8Array(1)), InvalidArgumentError);
    await assert.rejects(listen(given, {}), InvalidArgumentError);
    await assert.rejects(listen([given], {}), InvalidArgumentError);
    await assert.rejects(connect(given), InvalidArgumentError);
    await assert.rejects(webSocket.listen(given, behaviour), InvalidArgumentError);
    await assert.rejects(webSocket.connect(given, behaviour), InvalidArgumentError);
  }
});

test("options that cannot be read, and signals that are none, are refused by a typed error", async () => {
  const throwing = {
    get tls(): never {
      throw new Error("mine");
    },
  };
  await assert.rejects(
    listen("quic://127.0.0.1:0", {}, throwing),
    (error: Error) => error instanceof InvalidArgumentError && (error.cause as Error).message === "mine",
  );
  const revoked = Proxy.revocable({}, {});
  revoked.revoke();
  await assert.rejects(listen("quic://127.0.0.1:0", {}, revoked.proxy), InvalidArgumentError);
  const signal = Object.create(AbortSignal.prototype) as AbortSignal;
  await assert.rejects(connect("ws://127.0.0.1:9", {}, { signal }), InvalidArgumentError);
});

describe("a plain WebSocket", () => {
  test("refuses to send what is no bytes, and as text what is not UTF-8", async (t) => {
    const got: string[] = [];
    let accepted: webSocket.WebSocketConnection | undefined;
    const behaviour: webSocket.WebSocketBehaviour = {
      open(connection) {
        accepted = connection;
      },
      frame: (_, bytes) => void got.push(`frame ${bytes}`),
      text: (_, bytes) => void got.push(`text ${bytes}`),
      drain() {},
      close() {},
    };
    const listener = await webSocket.listen("ws://127.0.0.1:0", behaviour);
    t.after(() => listener.close());
    const client = await webSocket.connect(listener.url, behaviour);
    t.after(() => client.close({ graceful: false }));
    await until("it is accepted", () => accepted !== undefined);
    for (const connection of [client, accepted!]) {
      for (const wrong of notBytes() as Uint8Array[]) {
        assert.throws(() => connection.send(wrong), InvalidArgumentError);
        if (wrong !== undefined)
          assert.throws(() => connection.send(new Uint8Array(1), wrong), InvalidArgumentError);
        assert.throws(() => connection.sendText(wrong), InvalidArgumentError);
      }
      assert.throws(() => connection.sendText(Uint8Array.of(0xff)), InvalidArgumentError);
      connection.sendText(Uint8Array.of(65));
      connection.send(Uint8Array.of(7), Uint8Array.of(8));
    }
    await until("the honest ones came", () => got.length === 4);
    assert.deepEqual(got.sort(), ["frame 7,8", "frame 7,8", "text 65", "text 65"]);
  });
});
