import assert from "node:assert/strict";
import { describe, type TestContext, test } from "node:test";
import type { Behaviour, Connection, TransportBehaviour } from "millrace";
import { quicTransport } from "millrace/quic";
import { ConnectionClosedError } from "#internal/errors.js";
import { encodeFrame, Kind } from "#internal/frame/frame.js";
import { EventKind } from "#internal/native/constants.js";
import type { RingReader } from "#internal/native/ring.js";
import { FramedConnection } from "#internal/quic/framed_connection.js";
import { deferred } from "../kit/deferred.js";
import { Loopback } from "../kit/loopback.js";
import { collectUncaught } from "../kit/uncaught.js";
import { until } from "../kit/until.js";

test("a frame handler that throws gives the peer its credit back all the same", async (t) => {
  const loopback = await Loopback.make();
  const uncaught = collectUncaught(t);
  const frames = 100; // of 64 KiB: several times what may be unread
  const limits = {
    protocols: ["millrace/1"],
    maxFrameBytes: 1 << 20,
    highWaterMarkBytes: 1 << 24,
    idleTimeoutMs: 30_000,
    handshakeTimeoutMs: 10_000,
  };
  let got = 0;
  const throwing: TransportBehaviour = {
    open() {},
    frame() {
      got += 1;
      throw new Error("mine");
    },
    drain() {},
    close() {},
  };
  const url = { scheme: "quic", host: "127.0.0.1", port: 0, path: "/" };
  const listener = await quicTransport.listen(
    { ...limits, url, tls: loopback.identity, http: undefined },
    throwing,
  );
  t.after(() => listener.close());
  const client = await quicTransport.connect(
    { ...limits, url: { ...url, port: listener.address.port }, tls: { ca: loopback.ca }, signal: undefined },
    throwing,
  );
  t.after(() => client.close({ graceful: false }));
  const header = { kind: Kind.Message, flags: 0, channel: 0, type: 0, seq: 0, ref: 0 };
  const frame = encodeFrame(header, new Uint8Array(64 * 1024));
  for (let i = 0; i < frames; i++) assert.equal(client.send(frame), "sent");
  await until("every frame came", () => got === frames);
  await until("every exception was told", () => uncaught.length === frames);
});

describe("messages that waited at a paused connection while their peer went away", () => {
  const count = 20;

  /** A server whose first message pauses it, and whose peer then sends the rest and vanishes. */
  async function left(t: TestContext, heard: number[], behaviour: Behaviour) {
    const loopback = await Loopback.make();
    const errors: unknown[] = [];
    const paused = deferred<Connection>();
    const { onEvent } = FramedConnection.prototype;
    const frames = new Map<FramedConnection, number>();
    t.mock.method(
      FramedConnection.prototype,
      "onEvent",
      function (this: FramedConnection, record: RingReader) {
        if (record.kind === EventKind.frame) frames.set(this, 1 + (frames.get(this) ?? 0));
        onEvent.call(this, record);
      },
    );
    const listener = await loopback.listen(
      t,
      {
        ...behaviour,
        message(connection, bytes) {
          heard.push(bytes.length);
          behaviour.message!(connection, bytes);
          if (heard.length === 1) paused.resolve(connection);
        },
        error: (_, cause) => errors.push(cause),
      },
      { highWaterMarkBytes: 1024 },
    );
    const client = await loopback.connect(t, listener.urls[0]!, { message() {} });
    client.pause();
    for (let bytes = 0; bytes < count; bytes++) client.send(new Uint8Array(2_000 + bytes));
    const server = await paused.promise;
    await until("all are there", () => [...frames.values()].includes(count));
    const vanish = async () => {
      await client.close({ graceful: false });
      await until("the server's side has heard of it", () => server.state !== "open");
    };
    return { server, errors, vanish };
  }

  test("are heard, can be answered to nobody, and then its end is told", async (t) => {
    const results: string[] = [];
    const ends: string[] = [];
    const heard: number[] = [];
    const { server, errors, vanish } = await left(t, heard, {
      message(connection) {
        if (heard.length === 1) connection.pause();
        else results.push(`${connection.state} ${connection.send(new Uint8Array(1))}`);
      },
      close: ({ state }) => void ends.push(`${state} after ${heard.length}`),
    });
    await vanish();
    assert.deepEqual([heard.length, server.state, ends], [1, "closing", []]);
    server.resume();
    assert.equal((await server.closed).by, "peer");
    assert.deepEqual(errors, []);
    assert.deepEqual(results, Array(count - 1).fill("closing dropped"));
    assert.deepEqual(ends, [`closed after ${count}`]);
    assert.throws(() => server.send(new Uint8Array(1)), ConnectionClosedError);
  });

  test("come to whoever waits for room to answer, which is there now", async (t) => {
    const heard: number[] = [];
    const { server, errors, vanish } = await left(t, heard, {
      message(connection) {
        if (connection.send(new Uint8Array(1_000_000)) !== "sent") connection.pause(); // more than a window
      },
      drain: (connection) => connection.resume(),
    });
    await vanish();
    await server.closed;
    assert.deepEqual([heard.length, errors], [count, []]);
  });

  test("are left unread by who closes then", async (t) => {
    const heard: number[] = [];
    const { server, errors, vanish } = await left(t, heard, {
      message: (connection) => void connection.pause(),
    });
    await vanish();
    const closing = server.close();
    assert.throws(() => server.send(new Uint8Array(1)), ConnectionClosedError);
    assert.equal((await closing).by, "peer");
    assert.deepEqual([heard.length, errors], [1, []]);
  });
});
