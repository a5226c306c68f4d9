import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { describe, test } from "node:test";
import type * as quic from "millrace/quic";
import {
  ConnectionClosedError,
  ReaderLockedError,
  StreamClosedError,
  StreamResetError,
} from "#internal/errors.js";
import { deferred } from "../kit/deferred.js";
import { Loopback } from "../kit/loopback.js";
import { firstStream, openPair } from "../kit/pair.js";
import { until } from "../kit/until.js";

const KiB = 1024;
const MiB = 1024 * KiB;

const loopback = await Loopback.make();

async function sizes(stream: quic.QuicStream): Promise<number> {
  let bytes = 0;
  for await (const chunks of stream) for (const chunk of chunks) bytes += chunk.length;
  return bytes;
}

describe("iterating over a stream", () => {
  test("gives every byte in lists of chunks that are the reader's to keep, also when it begins late", async (t) => {
    const bytes = randomBytes(3 * MiB);
    const server = firstStream();
    const { client } = await openPair(loopback, t, server, { options: { highWaterMarkBytes: 16 * MiB } });
    const stream = client.openStream();
    stream.write(bytes);
    stream.end();
    const theirs = await server.stream;
    await until("some waits", () => theirs.bytesReceived > 0);
    const kept: Uint8Array[] = [];
    for await (const chunks of theirs) kept.push(...chunks);
    assert.equal(
      createHash("sha256").update(Buffer.concat(kept)).digest("hex"),
      createHash("sha256").update(bytes).digest("hex"),
    );
    assert.equal(theirs.readable, false);
  });

  test("holds the peer back while nobody asks, within the window", async (t) => {
    const server = firstStream();
    const window = 64 * KiB;
    const { client } = await openPair(
      loopback,
      t,
      { ...server, options: { streamWindowBytes: window, connectionWindowBytes: window } },
      { options: { highWaterMarkBytes: 64 * MiB } },
    );
    const stream = client.openStream();
    const total = 8 * MiB;
    for (let at = 0; at < total; at += 16 * KiB) stream.write(new Uint8Array(16 * KiB));
    stream.end();
    const theirs = await server.stream;
    const iterator = theirs[Symbol.asyncIterator]();
    let accepted = -1;
    await until("no more is taken", () => {
      const before = accepted;
      accepted = stream.bytesSent - stream.bytesQueued;
      return accepted === before && accepted > 0;
    });
    assert.ok(accepted <= 256 * KiB + window, `${accepted} were taken`);
    assert.ok(theirs.bytesReceived <= 256 * KiB);
    let read = 0;
    for (;;) {
      const { done, value } = await iterator.next();
      if (done) break;
      for (const chunk of value) read += chunk.length;
    }
    assert.equal(read, total);
  });

  test("throws what the peer reset it with", async (t) => {
    const server = firstStream();
    const { client } = await openPair(loopback, t, server);
    const stream = client.openStream();
    stream.write(new Uint8Array(1));
    const theirs = await server.stream;
    const reading = sizes(theirs);
    stream.reset(1234);
    await assert.rejects(
      reading,
      (error: Error) => error instanceof StreamResetError && error.applicationCode === 1234,
    );
  });

  test("still gives what had come when the connection has ended since", async (t) => {
    const server = firstStream();
    const { client, server: accepted } = await openPair(loopback, t, server);
    const whole = client.openStream({ direction: "unidirectional" });
    whole.write(new Uint8Array(50_000));
    whole.end();
    const theirs = await server.stream;
    await until("all has come", () => theirs.bytesReceived === 50_000);
    await client.close();
    await accepted.closed;
    assert.equal(await sizes(theirs), 50_000);
    assert.deepEqual(await theirs.closed, {});
  });

  test("throws where the connection ends first", async (t) => {
    const server = firstStream();
    const { client } = await openPair(loopback, t, server);
    client.openStream().write(new Uint8Array(1));
    const reading = sizes(await server.stream);
    await client.close();
    await assert.rejects(reading, (error: Error) => {
      return error instanceof ConnectionClosedError && !("cause" in error);
    });
  });

  test("throws with the connection's own error as the cause where that was lost", async (t) => {
    const told: string[] = [];
    const { client } = await openPair(
      loopback,
      t,
      { options: { peerBidiStreams: 1 } },
      {
        behaviour: { streamClose: () => told.push("stream"), close: () => told.push("connection") },
        options: { idleTimeoutMs: 1_500 },
      },
    );
    const opened = client.openStream();
    opened.write(new Uint8Array(1));
    await opened.opened;
    const waiting = client.openStream();
    const failures = [opened, waiting].map((stream) => sizes(stream).catch((error: Error) => error));
    const { error } = await client.closed;
    assert.ok(error !== undefined);
    const [lost, unopened] = (await Promise.all(failures)) as Error[];
    assert.ok(lost instanceof ConnectionClosedError);
    assert.equal(lost.cause, error);
    assert.ok(unopened instanceof StreamClosedError);
    assert.equal(unopened.cause, error);
    assert.equal((await opened.closed).error, lost);
    assert.deepEqual(told, ["stream", "stream", "connection"]);
  });

  test("that is left early tells the peer to stop, with code 0", async (t) => {
    const stopped = deferred<number>();
    const server = firstStream();
    const { client } = await openPair(loopback, t, server, {
      behaviour: { stopped: (_, code) => stopped.resolve(code) },
    });
    const stream = client.openStream();
    stream.write(new Uint8Array(100));
    for await (const chunks of await server.stream) {
      assert.ok(chunks.length > 0);
      break;
    }
    assert.equal(await stopped.promise, 0);
    assert.equal(stream.writable, false);
  });

  test("answers several steps that wait at once, in order", async (t) => {
    const server = firstStream();
    const { client } = await openPair(loopback, t, server);
    const stream = client.openStream();
    stream.write(new Uint8Array(1));
    const iterator = (await server.stream)[Symbol.asyncIterator]();
    const steps = [iterator.next(), iterator.next(), iterator.next()];
    assert.equal((await steps[0]!).done, false);
    stream.write(new Uint8Array(2));
    assert.equal((await steps[1]!).value?.[0]?.length, 2);
    stream.end();
    assert.equal((await steps[2]!).done, true);
    assert.equal((await iterator.next()).done, true);
  });
});

describe("a stream has one reader:", () => {
  test("a second of any kind, pause and resume are refused", async (t) => {
    const server = firstStream();
    const { client } = await openPair(loopback, t, server);
    client.openStream().write(new Uint8Array(1));
    const stream = await server.stream;
    stream[Symbol.asyncIterator]();
    assert.throws(() => stream[Symbol.asyncIterator](), ReaderLockedError);
    assert.throws(() => stream.toDuplex(), ReaderLockedError);
    assert.throws(() => stream.toWebStreams(), ReaderLockedError);
    assert.throws(() => stream.pause(), ReaderLockedError);
    assert.throws(() => stream.resume(), ReaderLockedError);
  });

  test("the behaviour, once it was given bytes", async (t) => {
    const server = firstStream({ data: () => {} });
    const { client } = await openPair(loopback, t, server);
    client.openStream().write(new Uint8Array(1));
    const stream = await server.stream;
    await until("it has read", () => stream.bytesReceived === 1);
    assert.throws(() => stream[Symbol.asyncIterator](), ReaderLockedError);
  });

  test("whoever is chosen as it opens, also where the behaviour reads the others", async (t) => {
    const heard: string[] = [];
    let iterated: Promise<number> | undefined;
    const { client } = await openPair(loopback, t, {
      behaviour: {
        stream(stream) {
          iterated ??= sizes(stream);
        },
        data: (_, chunk) => void heard.push(Buffer.from(chunk).toString()),
      },
    });
    for (const text of ["first", "second"]) {
      const stream = client.openStream({ direction: "unidirectional" });
      stream.write(Buffer.from(text));
      stream.end();
      await stream.closed;
    }
    await until("the second was heard", () => heard.length === 1);
    assert.deepEqual(heard, ["second"]);
    assert.equal(await iterated, 5);
  });

  test("nobody, where only this side writes", async (t) => {
    const { client } = await openPair(loopback, t);
    const stream = client.openStream({ direction: "unidirectional" });
    assert.throws(() => stream[Symbol.asyncIterator](), StreamClosedError);
  });
});
