import assert from "node:assert/strict";
import { finished } from "node:stream/promises";
import { describe, test } from "node:test";
import type * as quic from "millrace/quic";
import {
  AbortedError,
  ConnectionClosedError,
  InvalidArgumentError,
  StreamClosedError,
  TimeoutError,
} from "#internal/errors.js";
import { loadAddon } from "#internal/native/addon.js";
import { deferred } from "../kit/deferred.js";
import { Loopback } from "../kit/loopback.js";
import { firstStream, openPair } from "../kit/pair.js";
import { until } from "../kit/until.js";

const KiB = 1024;
const MiB = 1024 * KiB;

const loopback = await Loopback.make();

/** Everything a stream brings, as one. */
async function readAll(stream: quic.QuicStream): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const chunks of stream) parts.push(...chunks);
  return Buffer.concat(parts);
}

function sends(): number {
  return loadAddon().processCounters().sends;
}

describe("writev", () => {
  for (const size of [10, 5_000]) {
    test(`sends 30 chunks of ${size} bytes as one, in their order`, async (t) => {
      const server = firstStream();
      const { client } = await openPair(loopback, t, server);
      const chunks = Array.from({ length: 30 }, (_, i) => new Uint8Array(size).fill(i));
      const before = sends();
      const stream = client.openStream({ direction: "unidirectional" });
      assert.equal(stream.writev(chunks), "sent");
      assert.equal(stream.bytesSent, 30 * size);
      const received = await server.stream;
      await until("the bytes are there", () => received.bytesReceived === 30 * size);
      assert.equal(sends() - before, 1);
      stream.end();
      assert.deepEqual(await readAll(received), Buffer.concat(chunks));
    });
  }

  test("accepts all or drops all, like one write", async (t) => {
    const { client } = await openPair(loopback, t, {}, { options: { highWaterMarkBytes: 100 } });
    const stream = client.openStream();
    assert.equal(stream.writev([new Uint8Array(60), new Uint8Array(60)]), "blocked");
    assert.equal(stream.writev([new Uint8Array(1)]), "dropped");
    assert.equal(stream.bytesSent, 120);
    assert.throws(() => stream.writev([new Uint8Array(1), "x" as never]), InvalidArgumentError);
    assert.throws(() => stream.writev(new Uint8Array(3) as never), InvalidArgumentError);
    stream.end();
    assert.throws(() => stream.writev([]), StreamClosedError);
  });
});

describe("the priority of a stream", () => {
  for (const how of ["given when it opens", "set later"]) {
    test(`${how} lets the higher one finish first`, async (t) => {
      const ended: string[] = [];
      const names = new Map<quic.QuicStream, string>();
      // The connection's window is what they compete for.
      const windows = { streamWindowBytes: 16 * MiB, connectionWindowBytes: 64 * KiB };
      const { client } = await openPair(
        loopback,
        t,
        {
          behaviour: {
            data(stream, chunk) {
              if (!names.has(stream)) names.set(stream, String.fromCharCode(chunk[0]!));
            },
            end: (stream) => void ended.push(names.get(stream)!),
          },
          options: windows,
        },
        { options: { highWaterMarkBytes: 64 * MiB } },
      );
      const direction = "unidirectional";
      const later = how === "set later";
      const low = client.openStream({ direction, ...(later ? {} : { priority: 1 }) });
      const high = client.openStream({ direction, ...(later ? {} : { priority: 60_000 }) });
      await Promise.all([low.opened, high.opened]);
      if (later) {
        low.priority = 0;
        high.priority = 65_535;
        assert.deepEqual([low.priority, high.priority], [0, 65_535]);
        await client.statistics(); // the engine changes them and answers this in order
      }
      low.write(new Uint8Array(12 * MiB).fill("l".charCodeAt(0)));
      high.write(new Uint8Array(12 * MiB).fill("h".charCodeAt(0)));
      low.end();
      high.end();
      await until("both have ended", () => ended.length === 2);
      assert.deepEqual(ended, ["h", "l"]);
    });
  }

  test("is 32767 unless told otherwise, and may be 0 to 65535", async (t) => {
    const { client } = await openPair(loopback, t);
    const stream = client.openStream();
    assert.equal(stream.priority, 32_767);
    for (const wrong of [-1, 65_536, 1.5, "7", undefined, null, Symbol("x"), {}]) {
      assert.throws(() => {
        stream.priority = wrong as number;
      }, InvalidArgumentError);
      if (wrong !== undefined) {
        assert.throws(() => client.openStream({ priority: wrong as number }), InvalidArgumentError);
      }
    }
    assert.equal(stream.priority, 32_767);
  });
});

test("bytes are counted: accepted, received, and not yet acknowledged", async (t) => {
  const server = firstStream({ data: () => {} });
  const { client } = await openPair(loopback, t, server);
  const stream = client.openStream();
  stream.write(new Uint8Array(1_000));
  stream.write(new Uint8Array(500));
  assert.deepEqual([stream.bytesSent, stream.bytesQueued, stream.bytesReceived], [1_500, 1_500, 0]);
  const theirs = await server.stream;
  theirs.write(new Uint8Array(70));
  await until("all has come", () => stream.bytesReceived === 70 && theirs.bytesReceived === 1_500);
  await until("all is acknowledged", () => stream.bytesQueued === 0);
  assert.equal(stream.bytesSent, 1_500);
});

/** How a stream's opening is given up, by the name of the error. */
const reasons: Record<string, () => { wait: quic.OpenStreamOptions; giveUp?(): void }> = {
  TimeoutError: () => ({ wait: { timeoutMs: 20 } }),
  AbortedError: () => {
    const controller = new AbortController();
    return { wait: { signal: controller.signal }, giveUp: () => controller.abort() };
  },
  StreamLimitError: () => ({ wait: { whenBlocked: "fail" } }),
};

/** What it rejects with; undefined where it does not. */
async function failureOf(promise: Promise<unknown>): Promise<Error | undefined> {
  return promise.then(
    () => undefined,
    (error: Error) => error,
  );
}

/** Who may write a stream, and is failed by what the stream fails by. */
const writers: Record<string, (stream: quic.QuicStream) => Promise<unknown>> = {
  "a Duplex": (stream) => finished(stream.toDuplex()),
  "a Duplex that was written": async (stream) => {
    const duplex = stream.toDuplex();
    duplex.write("something");
    await finished(duplex);
  },
  "a writable of the web": (stream) => stream.toWebStreams().writable!.getWriter().closed,
};

/** Who may use a stream of both directions. */
const both: typeof writers = {
  ...writers,
  "an iteration": (stream) => readAll(stream),
  "a readable of the web": (stream) => stream.toWebStreams().readable!.getReader().read(),
  "a readable of the web that nobody asks": (stream) => stream.toWebStreams().readable!.getReader().closed,
};

describe("opening a stream that the peer does not allow yet", () => {
  const options = { peerBidiStreams: 1, peerUniStreams: 0 };

  /** A connection whose only place is taken. */
  async function full(t: Parameters<typeof openPair>[1]) {
    const seen: quic.QuicStream[] = [];
    const { client } = await openPair(loopback, t, {
      behaviour: { stream: (stream) => void seen.push(stream), end: (stream) => stream.end() },
      options,
    });
    const first = client.openStream();
    first.write(new Uint8Array(1));
    await first.opened;
    await until("the peer has the first", () => seen.length === 1);
    return { client, first };
  }

  test("waits: opened resolves when another has closed, and what was written is sent then", async (t) => {
    const { client, first } = await full(t);
    const second = client.openStream();
    second.write(new Uint8Array(3));
    let opened = false;
    void second.opened.then(() => {
      opened = true;
    });
    await client.statistics(); // a round through the engine and back
    assert.equal(opened, false);
    assert.equal(second.bytesQueued, 3);
    first.end();
    await first.closed;
    await second.opened;
    await until("it was sent", () => second.bytesQueued === 0);
  });

  test("gives up after timeoutMs, and gives its place to the next", async (t) => {
    const { client, first } = await full(t);
    const second = client.openStream({ timeoutMs: 20 });
    const third = client.openStream();
    await assert.rejects(second.opened, TimeoutError);
    assert.equal(second.writable, false);
    first.end();
    await third.opened;
    assert.ok((await second.closed).error instanceof TimeoutError);
  });

  test("gives up when its signal fires, and opens nothing when it has fired before", async (t) => {
    const { client, first } = await full(t);
    const cause = new Error("changed my mind");
    const controller = new AbortController();
    const second = client.openStream({ signal: controller.signal });
    const third = client.openStream();
    controller.abort(cause);
    await assert.rejects(
      second.opened,
      (error: Error) => error instanceof AbortedError && error.cause === cause,
    );
    assert.throws(() => client.openStream({ signal: controller.signal }), AbortedError);
    first.end();
    await third.opened;
  });

  test("is told when the connection ends first", async (t) => {
    const { client } = await full(t);
    const second = client.openStream();
    const rejected = assert.rejects(second.opened, StreamClosedError);
    await client.close({ graceful: false });
    await rejected;
  });

  for (const direction of ["bidirectional", "unidirectional"] as const) {
    for (const [reason, give] of Object.entries(reasons)) {
      for (const when of ["before", "after"] as const) {
        test(`fails whoever is chosen ${when} it gives up by ${reason}, ${direction}`, async (t) => {
          const { client } = await full(t);
          const { wait, giveUp } = give();
          const users = Object.entries(direction === "bidirectional" ? both : writers);
          const streams = users.map(() => client.openStream({ direction, ...wait }));
          const use = () => users.map(([, how], n) => failureOf(how(streams[n]!)));
          let outcomes = when === "before" ? use() : [];
          giveUp?.();
          const causes = await Promise.all(streams.map((stream) => failureOf(stream.opened)));
          outcomes = when === "before" ? outcomes : use();
          const failures = await Promise.all(outcomes);
          users.forEach(([name], n) => {
            assert.equal(causes[n]?.name, reason);
            assert.equal(failures[n], causes[n], name);
          });
          assert.equal(client.state, "open");
        });
      }
    }
  }

  test("lets whoever reads it see the end where this side gives it up by hand", async (t) => {
    const { client } = await full(t);
    const stream = client.openStream();
    const reading = readAll(stream);
    stream.reset();
    stream.stopSending();
    assert.equal((await reading).length, 0);
  });

  test("has time-outs that leave an opened stream alone", async (t) => {
    const server = firstStream({ data: () => {} });
    const { client } = await openPair(loopback, t, server);
    const controller = new AbortController();
    const stream = client.openStream({ signal: controller.signal, timeoutMs: 60_000 });
    await stream.opened;
    controller.abort();
    stream.write(new Uint8Array(5));
    assert.equal(stream.writable, true);
    await until("it arrives", () => stream.bytesQueued === 0);
  });
});

test("options that are undefined are as if they were left out", async (t) => {
  const none = undefined;
  const { client } = await openPair(
    loopback,
    t,
    { options: { maxConnections: none, idleTimeoutMs: none, signal: none, shared: none } },
    { options: { resumption: none, keepAliveMs: none, signal: none } },
  );
  const wait = { signal: none, timeoutMs: none };
  const stream = client.openStream({ direction: none, priority: none, whenBlocked: none, ...wait });
  assert.deepEqual([stream.direction, stream.priority], ["bidirectional", 32_767]);
  await client.statistics(wait);
  client.datagrams({ maxQueued: none, signal: none });
  const info = await client.close({
    code: none,
    reason: none,
    graceful: none,
    deadlineMs: none,
    signal: none,
  });
  assert.deepEqual([info.code, info.reason], [0, ""]);
});

describe("closed", () => {
  test("tells by which codes the peer ended the two directions", async (t) => {
    const server = firstStream({ data: () => {} });
    const { client } = await openPair(loopback, t, server);
    const stream = client.openStream();
    stream.write(new Uint8Array(1));
    const theirs = await server.stream;
    theirs.reset(41);
    theirs.stopSending(42);
    assert.deepEqual(await stream.closed, { resetCode: 41, stopCode: 42 });
    assert.equal(await stream.closed, await stream.closed);
  });

  test("is empty where both sides ended it themselves", async (t) => {
    const { client } = await openPair(loopback, t, { behaviour: { end: (stream) => stream.end() } });
    const stream = client.openStream();
    stream.end();
    assert.deepEqual(await stream.closed, {});
  });

  test("carries an error where the connection ended first", async (t) => {
    const server = firstStream({ data: () => {} });
    const { client } = await openPair(loopback, t, server);
    const stream = client.openStream();
    stream.write(new Uint8Array(1));
    const theirs = await server.stream;
    await client.close({ graceful: false });
    for (const end of [stream, theirs]) {
      assert.ok((await end.closed).error instanceof ConnectionClosedError);
    }
  });
});

test("disposing of a stream ends it, refuses the rest, and waits for the peer", async (t) => {
  const heard = deferred<number>();
  const { client } = await openPair(loopback, t, {
    behaviour: {
      data: (stream) => void (stream.writable && stream.write(new Uint8Array(100 * KiB))),
      stopped: (_, code) => heard.resolve(code),
      end: (stream) => stream.end(),
    },
  });
  let stream: quic.QuicStream;
  {
    await using disposed = client.openStream();
    stream = disposed;
    stream.write(new Uint8Array(1));
  }
  assert.equal(await heard.promise, 0);
  assert.deepEqual([stream.writable, stream.readable], [false, false]);
  await stream.closed;
});

test("a paused stream keeps what came, and its place, until it was read", async (t) => {
  const order: string[] = [];
  const paused = deferred<quic.QuicStream>();
  const { client } = await openPair(loopback, t, {
    behaviour: {
      stream(stream) {
        stream.pause();
        stream.end();
        paused.resolve(stream);
      },
      data: (_, chunk) => void order.push(`data ${chunk.length}`),
      end: () => void order.push("end"),
      streamClose: () => void order.push("close"),
    },
    options: { peerBidiStreams: 1 },
  });
  const first = client.openStream();
  for (let i = 0; i < 1_000; i++) first.write(new Uint8Array(1));
  first.end();
  const held = await paused.promise;
  await first.closed;
  await until("all has come", () => held.bytesReceived === 1_000);
  const second = client.openStream();
  let opened = false;
  void second.opened.then(() => {
    opened = true;
  });
  await client.statistics();
  assert.deepEqual([opened, order], [false, []]);
  held.resume();
  await second.opened;
  assert.deepEqual(order.slice(-2), ["end", "close"]);
  const bytes = order.slice(0, -2).map((entry) => Number(entry.split(" ")[1]));
  assert.equal(
    bytes.reduce((a, b) => a + b),
    1_000,
  );
});
