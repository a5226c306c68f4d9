import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as quic from "millrace/quic";
import { InvalidArgumentError } from "#internal/errors.js";
import { loadAddon } from "#internal/native/addon.js";
import { sharedEngine } from "#internal/native/engine.js";
import { deferred } from "../kit/deferred.js";
import { Loopback } from "../kit/loopback.js";
import { openPair } from "../kit/pair.js";
import { until } from "../kit/until.js";

const loopback = await Loopback.make();

function copiedBytes(): number {
  return loadAddon().processCounters().copiedBytes;
}

/** The native code that is called meanwhile, by name. */
function nativeCalls(act: () => void): string[] {
  const native = sharedEngine().native as unknown as Record<string, (...given: unknown[]) => unknown>;
  const calls: string[] = [];
  const names = Object.getOwnPropertyNames(Object.getPrototypeOf(native)).filter(
    (name) => name !== "constructor",
  );
  for (const name of names) {
    const method = native[name]!;
    const value = (...given: unknown[]) => {
      calls.push(name);
      return method.apply(native, given);
    };
    Object.defineProperty(native, name, { value, configurable: true });
  }
  try {
    act();
  } finally {
    for (const name of names) delete native[name];
  }
  return calls;
}

/** A listener whose connections each have one stream to their client, and what the clients hear. */
async function audience(t: Parameters<typeof openPair>[1], size: number, options = {}) {
  const streams: quic.QuicStream[] = [];
  const connections: quic.QuicConnection[] = [];
  const heard: string[] = Array.from({ length: size }, () => "");
  const datagrams: string[] = [];
  let drains = 0;
  const listener = await loopback.listenRaw(
    t,
    {
      open(connection) {
        connections.push(connection);
        streams.push(connection.openStream({ direction: "unidirectional" }));
      },
      drain: () => {
        drains += 1;
      },
    },
    options,
  );
  const clients: quic.QuicConnection[] = [];
  for (let i = 0; i < size; i++) {
    const behaviour: quic.QuicBehaviour = {
      data: (_, chunk) => {
        heard[i] += Buffer.from(chunk).toString();
      },
      datagram: (_, bytes) => void datagrams.push(Buffer.from(bytes).toString()),
    };
    clients.push(await loopback.connectRaw(t, listener.address.port, behaviour));
  }
  await until("all are there", () => streams.length === size);
  return { streams, connections, clients, heard, datagrams, drains: () => drains };
}

describe("publishing to streams", () => {
  test("reaches each, in order with what it writes itself, and copies the bytes once", async (t) => {
    const { streams, heard } = await audience(t, 20);
    const payload = Buffer.alloc(10_000, "p");
    for (const stream of streams) stream.write(Buffer.from("<"));
    await until("the firsts have left", () => streams.every((stream) => stream.bytesQueued === 0));
    const before = copiedBytes();
    assert.equal(quic.publish(streams, payload), 20);
    assert.equal(copiedBytes() - before, payload.length);
    for (const stream of streams) {
      assert.equal(stream.bytesSent, 10_001);
      stream.write(Buffer.from(">"));
    }
    const whole = `<${payload.toString()}>`;
    await until("each has all of it", () => heard.every((text) => text === whole));
    await until("nothing is queued", () => streams.every((stream) => stream.bytesQueued === 0));
  });

  test("is one call of native code, however many they are, and so it is with datagrams", async (t) => {
    const { streams, connections, heard, datagrams } = await audience(t, 20);
    const text = Buffer.from("all");
    const toStreams = nativeCalls(() => assert.equal(quic.publish(streams, text), 20));
    assert.deepEqual(toStreams, ["publish"]);
    const toConnections = nativeCalls(() => assert.equal(quic.publishDatagram(connections, text), 20));
    assert.deepEqual(toConnections, ["publish"]);
    const others = nativeCalls(() => void connections[0]!.statistics());
    assert.deepEqual(others, ["requestStatistics"], "what is no publication is seen as well");
    await until("all have heard it", () => heard.every((text) => text === "all") && datagrams.length === 20);
  });

  test("leaves out those that have ended or are blocked, and says how many it reached", async (t) => {
    const { streams, clients, drains } = await audience(t, 5, { highWaterMarkBytes: 1_000 });
    streams[0]!.end();
    streams[1]!.reset();
    await clients[2]!.close({ graceful: false });
    await until("the third is gone", () => !streams[2]!.writable);
    assert.equal(streams[3]!.write(new Uint8Array(1_000)), "blocked");
    assert.equal(quic.publish(streams, new Uint8Array(10)), 1);
    assert.equal(streams[4]!.bytesSent, 10);
    assert.equal(streams[3]!.bytesSent, 1_000);
    await until("the fourth has drained", () => drains() === 1);
    assert.equal(quic.publish(streams, new Uint8Array(10)), 2);
    assert.equal(quic.publish([], new Uint8Array(10)), 0);
  });

  test("blocks and drains as writing does", async (t) => {
    const { streams, drains } = await audience(t, 3, { highWaterMarkBytes: 1_000 });
    // More than the clients take before this thread, theirs too, comes to read.
    assert.equal(quic.publish(streams, new Uint8Array(1 << 20)), 3);
    assert.equal(quic.publish(streams, new Uint8Array(1)), 0);
    await until("each has drained", () => drains() === 3);
    assert.equal(quic.publish(streams, new Uint8Array(1)), 3);
  });

  test("refuses what is no stream and what is no bytes, and then publishes to none", async (t) => {
    const { streams, connections } = await audience(t, 2);
    const bytes = new Uint8Array(1);
    for (const wrong of [
      undefined,
      null,
      streams[0],
      new Set(streams),
      [streams[0], {}],
      [null],
      connections,
    ]) {
      assert.throws(() => quic.publish(wrong as never, bytes), InvalidArgumentError);
    }
    assert.throws(() => quic.publish(streams, "text" as never), InvalidArgumentError);
    assert.throws(() => quic.publishDatagram(streams as never, bytes), InvalidArgumentError);
    assert.equal(streams[0]!.bytesSent, 0);
  });
});

describe("publishing a datagram", () => {
  test("reaches each connection, with one copy", async (t) => {
    const { connections, datagrams } = await audience(t, 10);
    const before = copiedBytes();
    assert.equal(quic.publishDatagram(connections, Buffer.from("to all")), 10);
    assert.equal(copiedBytes() - before, 6);
    await until("each has it", () => datagrams.length === 10);
    assert.ok(datagrams.every((text) => text === "to all"));
  });

  test("leaves out those that are closed, take none, or take none so large", async (t) => {
    const { connections, datagrams } = await audience(t, 3);
    await connections[0]!.close();
    const { server } = await openPair(loopback, t, {}, { options: { datagrams: false } });
    assert.equal(quic.publishDatagram([...connections, server], new Uint8Array(1)), 2);
    assert.equal(quic.publishDatagram(connections, new Uint8Array(60_000)), 0);
    await until("the two have it", () => datagrams.length === 2);
  });
});

test("a publication is not changed by what its caller does with the bytes afterwards", async (t) => {
  const heard = deferred<string>();
  const { client } = await openPair(loopback, t, {
    behaviour: { data: (_, chunk) => heard.resolve(Buffer.from(chunk).toString()) },
  });
  const bytes = Buffer.from("before");
  quic.publish([client.openStream()], bytes);
  bytes.write("after!");
  assert.equal(await heard.promise, "before");
});
