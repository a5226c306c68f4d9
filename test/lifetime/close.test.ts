import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { describe, type TestContext, test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { CloseCode, type CloseInfo, type Connection, connect, type Listener } from "millrace";
import { AbortedError, ConnectionClosedError, MillraceError } from "#internal/errors.js";
import { loadAddon } from "#internal/native/addon.js";
import type { RawStream } from "#internal/quic/stream/raw_stream.js";
import { deferred } from "../kit/deferred.js";
import { Loopback } from "../kit/loopback.js";
import { silentUdp } from "../kit/silent_peer.js";
import { until } from "../kit/until.js";

const KiB = 1024;
const MiB = 1024 * KiB;

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

const loopback = await Loopback.make();

function openFiles(): number {
  return readdirSync("/proc/self/fd").length;
}

/** No native connection, stream or lane is left, so no slot is taken either. */
function assertNothingIsLeft(): Promise<void> {
  const { processCounters } = loadAddon();
  return until("all native objects are gone", () => {
    const { connections, streams, laneStreams } = processCounters();
    return connections + streams + laneStreams === 0;
  });
}

async function assertEchoes(t: TestContext, url: string): Promise<void> {
  const connection = await loopback.connect(t, url);
  connection.send(Buffer.from("still here"));
  for await (const answer of connection) {
    assert.equal(Buffer.from(answer).toString(), "still here");
    break;
  }
  await connection.close();
}

const echo = {
  message(connection: Connection, bytes: Uint8Array) {
    connection.send(bytes);
  },
};

for (const [name, url] of [
  ["QUIC", "quic://127.0.0.1:0"],
  ["WebSocket", "ws://127.0.0.1:0"],
] as const) {
  describe(name, () => {
    test("a server that closes in the middle of its sends drops them, or with grace delivers them", async (t) => {
      for (const graceful of [true, false]) {
        const listener = await loopback.listen(
          t,
          {
            open(connection) {
              for (let i = 0; i < 200; i++) connection.send(new Uint8Array(16 * KiB).fill(i));
            },
          },
          { url, highWaterMarkBytes: 8 * MiB },
        );
        let messages = 0;
        const connection = await loopback.connect(t, listener.urls[0]!, {
          message(_, bytes) {
            assert.equal(bytes[0], messages & 0xff);
            messages += 1;
          },
        });
        await until("the server has begun to send", () => listener.connectionCount === 1);
        await listener.close({ graceful });
        const info = await connection.closed;
        assert.equal(listener.connectionCount, 0);
        if (graceful) {
          assert.deepEqual({ by: info.by, code: info.code }, { by: "peer", code: CloseCode.goingAway });
          assert.equal(messages, 200);
        }
      }
      await assertNothingIsLeft();
    });

    test("a listener that closes while handshakes are in flight leaves none hanging", async (t) => {
      const listener = await loopback.listen(t, {}, { url });
      const attempts = Array.from({ length: 40 }, () =>
        connect(listener.urls[0]!, {}, { tls: { ca: loopback.ca }, handshakeTimeoutMs: 3_000 }),
      );
      await Promise.race(attempts);
      await listener.close({ graceful: false });
      for (const attempt of await Promise.allSettled(attempts)) {
        if (attempt.status === "fulfilled") await attempt.value.closed;
        else assert.ok(attempt.reason instanceof MillraceError, String(attempt.reason));
      }
      await assertNothingIsLeft();
    });

    test("a connection may be closed from inside each of its handlers", async (t) => {
      for (const from of ["open", "message", "drain"] as const) {
        const closed = deferred<CloseInfo>();
        let calls = 0;
        const end = (connection: Connection) => {
          calls += 1;
          void connection.close({ code: 300, reason: from, graceful: from !== "drain" });
        };
        const listener = await loopback.listen(
          t,
          {
            open(connection) {
              if (from === "open") end(connection);
              if (from === "drain") while (connection.send(new Uint8Array(512 * KiB)) === "sent");
            },
            ...(from === "message" ? { message: end } : {}),
            ...(from === "drain" ? { drain: end } : {}),
            close: (_, info) => closed.resolve(info),
          },
          { url, highWaterMarkBytes: 64 * KiB },
        );
        const connection = await loopback.connect(t, listener.urls[0]!, { message() {} });
        // Only the first may be heard: what follows a close is dropped.
        if (from === "message") for (let i = 0; i < 10; i++) connection.send(new Uint8Array(10));
        const ours = await closed.promise;
        const theirs = await connection.closed;
        assert.deepEqual({ by: ours.by, code: ours.code }, { by: "local", code: 300 }, from);
        assert.deepEqual({ by: theirs.by, code: theirs.code }, { by: "peer", code: 300 }, from);
        assert.equal(calls, 1, from);
        await listener.close();
      }
      await assertNothingIsLeft();
    });

    test("closing twice is closing once, and what was closed refuses to send", async (t) => {
      let closes = 0;
      const listener = await loopback.listen(
        t,
        {
          close: () => {
            closes += 1;
          },
        },
        { url },
      );
      const connection = await loopback.connect(t, listener.urls[0]!);
      const both = await Promise.all([
        connection.close({ code: 301 }),
        connection.close({ code: 302, graceful: false }),
      ]);
      assert.deepEqual(
        both.map(({ by, code }) => ({ by, code })),
        [301, 301].map((code) => ({ by: "local", code })),
      );
      assert.equal((await connection.close()).code, 301);
      assert.throws(() => connection.send(new Uint8Array(1)), ConnectionClosedError);
      await until("the server has heard of it", () => listener.connectionCount === 0);
      assert.equal(closes, 1);
      await Promise.all([listener.close(), listener.close({ graceful: false })]);
      await assertNothingIsLeft();
    });

    test("connects that are aborted, at once or in flight, leave nothing behind", async (t) => {
      const listener = await loopback.listen(t, echo, { url });
      const target = listener.urls[0]!;
      const attempts = Array.from({ length: 40 }, async (_, index) => {
        const controller = new AbortController();
        const attempt = loopback.connect(t, target, {}, { signal: controller.signal });
        // Some while the name is resolved, some during the handshake, some perhaps when it is over.
        for (let turn = 0; turn < index; turn++) await new Promise(setImmediate);
        controller.abort(new Error("enough"));
        return attempt;
      });
      let aborted = 0;
      for (const attempt of await Promise.allSettled(attempts)) {
        if (attempt.status === "fulfilled") await attempt.value.close();
        else {
          assert.ok(attempt.reason instanceof AbortedError, String(attempt.reason));
          aborted += 1;
        }
      }
      assert.ok(aborted > 0);
      await assertEchoes(t, target);
      await listener.close();
      await assertNothingIsLeft();
    });

    test("a thousand connections opened and dropped leave no file, slot or memory behind", async (t) => {
      const listener = await loopback.listen(t, echo, { url });
      const target = listener.urls[0]!;
      await openAndDrop(target, listener, 500);
      const files = openFiles();
      // Allocators take a while to have what they keep; what leaks grows for ever.
      const residentBytes = [await residentBytesAfter(target, listener, 1_000)];
      let growth = Number.POSITIVE_INFINITY;
      while (growth > 2 * MiB && residentBytes.length < 6) {
        residentBytes.push(await residentBytesAfter(target, listener, 1_000));
        growth = residentBytes.at(-1)! - residentBytes.at(-2)!;
      }
      assert.ok(growth <= 2 * MiB, `after each thousand: ${residentBytes.join(", ")} bytes`);
      await until("no more files are open than before", () => openFiles() <= files);
      await assertEchoes(t, target);
    });
  });
}

async function residentBytesAfter(url: string, listener: Listener, count: number): Promise<number> {
  await openAndDrop(url, listener, count);
  collectGarbage();
  collectGarbage();
  return process.memoryUsage.rss();
}

/** Each is used once, and ended by turns by either side, gently and not. */
async function openAndDrop(url: string, listener: Listener, count: number): Promise<void> {
  let begun = 0;
  const work = async () => {
    while (begun < count) {
      begun += 1;
      const graceful = begun % 2 === 0;
      const connection = await connect(url, {}, { tls: { ca: loopback.ca } });
      connection.send(Buffer.from("hello"));
      for await (const _ of connection) break;
      await connection.close({ graceful });
    }
  };
  await Promise.all(Array.from({ length: 10 }, work));
  await until("the listener has heard of every end", () => listener.connectionCount === 0);
  await assertNothingIsLeft();
}

describe("QUIC, raw", () => {
  test("a stream that is written and reset, and its connection closed, in one go leaves nothing behind", async (t) => {
    const listener = await loopback.listenRaw(t, {
      data: (stream, chunk) => void (stream.writable && stream.write(chunk)),
    });
    for (let round = 0; round < 50; round++) {
      const connection = await loopback.connectRaw(t, listener.address.port);
      const streams = Array.from({ length: 10 }, () => connection.openStream());
      for (const stream of streams) stream.write(new Uint8Array(64 * KiB));
      streams[round % 10]!.reset(1);
      streams[(round + 1) % 10]!.end();
      await connection.close({ graceful: round % 2 === 0, deadlineMs: 20 });
      assert.throws(() => connection.openStream(), ConnectionClosedError);
    }
    await until("the listener has heard of every end", () => listener.connectionCount === 0);
    await assertNothingIsLeft();
  });

  test("a connect to a peer that never answers can be given up", async (t) => {
    const silent = await silentUdp();
    t.after(() => silent.close());
    const attempt = loopback.connectRaw(t, silent.port, {}, { signal: AbortSignal.timeout(50) });
    await assert.rejects(attempt, AbortedError);
    await assertNothingIsLeft();
  });

  test("a thousand streams opened and dropped leave no slot behind", async (t) => {
    const listener = await loopback.listenRaw(t, { end: (stream) => stream.end() });
    let slots = 0;
    let closed = 0;
    const connection = await loopback.connectRaw(t, listener.address.port, {
      streamClose(stream) {
        slots = Math.max(slots, (stream as RawStream).slot);
        closed += 1;
      },
    });
    for (let i = 0; i < 1_000; i++) {
      const stream = connection.openStream();
      stream.write(new Uint8Array(10));
      stream.end();
    }
    await until("all streams have closed", () => closed === 1_000);
    const most = slots;
    for (let i = 0; i < 1_000; i++) connection.openStream().end();
    await until("all streams have closed again", () => closed === 2_000);
    assert.ok(slots <= most + 128, `the second thousand took slots up to ${slots}, the first up to ${most}`);
    await connection.close();
    await assertNothingIsLeft();
  });
});
