import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { describe, type TestContext, test } from "node:test";
import { CloseCode, PolicyViolationError } from "millrace";
import * as quic from "millrace/quic";
import {
  ConnectionClosedError,
  ConnectionLostError,
  HandshakeTimeoutError,
  InvalidArgumentError,
  StreamClosedError,
  StreamLimitError,
} from "#internal/errors.js";
import { deferred } from "../kit/deferred.js";
import { Loopback, rawAlpn } from "../kit/loopback.js";
import { type Ends, openEnds, openPair, type Pair, type Role, roles, type Side } from "../kit/pair.js";
import { SharedThread } from "../kit/shared_thread.js";
import { silentUdp } from "../kit/silent_peer.js";
import { until } from "../kit/until.js";

const KiB = 1024;
const MiB = 1024 * KiB;

const loopback = await Loopback.make();

/** A connection, both ends of it. */
function pair(
  t: TestContext,
  server: Side<quic.QuicListenOptions> = {},
  client: Side<quic.QuicConnectOptions> = {},
): Promise<Pair> {
  return openPair(loopback, t, server, client);
}

/** The same by roles. */
function ends(
  t: TestContext,
  role: Role,
  own: Side<quic.QuicOptions> = {},
  peer: Side<quic.QuicOptions> = {},
): Promise<Ends> {
  return openEnds(loopback, t, role, own, peer);
}

/** Echoes and holds the peer back when its answers are not taken. */
const echo: quic.QuicBehaviour = {
  data(stream, chunk) {
    if (stream.write(chunk) !== "sent") stream.pause();
  },
  drain: (stream) => stream.resume(),
  end: (stream) => stream.end(),
};

/** Writes all of it as fast as it is taken; call at every drain. */
function writer(bytes: Uint8Array): (stream: quic.QuicStream) => void {
  let at = 0;
  return (stream) => {
    while (at < bytes.length) {
      const chunk = bytes.subarray(at, at + 48 * KiB);
      const result = stream.write(chunk);
      if (result === "dropped") return;
      at += chunk.length;
      if (result === "blocked") return;
    }
    stream.end();
  };
}

describe("streams", () => {
  for (const size of [0, 1, 1_000, 64 * KiB, 50 * MiB]) {
    test(`echo ${size} bytes and the end`, async (t) => {
      const bytes = size === 0 ? new Uint8Array(0) : randomBytes(Math.min(size, MiB));
      const all = size > MiB ? Buffer.concat(Array(size / MiB).fill(bytes)) : bytes;
      const hash = createHash("sha256");
      const ended = deferred();
      const closed = deferred();
      const pump = writer(all);
      const { client } = await pair(
        t,
        { behaviour: echo },
        {
          behaviour: {
            data: (_, chunk) => void hash.update(chunk),
            drain: pump,
            end: () => ended.resolve(),
            streamClose: () => closed.resolve(),
          },
        },
      );
      const stream = client.openStream();
      assert.equal(stream.initiator, "local");
      pump(stream);
      await Promise.all([ended.promise, closed.promise]);
      assert.equal(hash.digest("hex"), createHash("sha256").update(all).digest("hex"));
      assert.equal(stream.readable || stream.writable, false);
    });
  }

  test("of one direction go either way, and cannot be written by the receiver", async (t) => {
    const heard = { server: deferred<string>(), client: deferred<string>() };
    const receive = (to: "server" | "client"): quic.QuicBehaviour => ({
      data(stream, chunk) {
        assert.equal(stream.direction, "unidirectional");
        assert.equal(stream.initiator, "peer");
        assert.equal(stream.writable, false);
        assert.throws(() => stream.write(chunk), StreamClosedError);
        heard[to].resolve(Buffer.from(chunk).toString());
      },
    });
    const { client, server } = await pair(
      t,
      { behaviour: receive("server") },
      { behaviour: receive("client") },
    );
    for (const [connection, text] of [
      [client, "up"],
      [server, "down"],
    ] as const) {
      const stream = connection.openStream({ direction: "unidirectional" });
      assert.equal(stream.readable, false);
      stream.write(Buffer.from(text));
      stream.end();
    }
    assert.equal(await heard.server.promise, "up");
    assert.equal(await heard.client.promise, "down");
  });

  test("stay open for the answer after one side has ended its own", async (t) => {
    let asked = "";
    const { client } = await pair(
      t,
      {
        behaviour: {
          data: (_, chunk) => {
            asked += Buffer.from(chunk).toString();
          },
          end(stream) {
            stream.write(Buffer.from(`answer to ${asked}`));
            stream.end();
          },
        },
      },
      {
        behaviour: {
          data: (_, chunk) => {
            answer += Buffer.from(chunk).toString();
          },
          streamClose: () => closed.resolve(),
        },
      },
    );
    let answer = "";
    const closed = deferred();
    const stream = client.openStream();
    stream.write(Buffer.from("question"));
    stream.end();
    stream.end();
    assert.equal(stream.writable, false);
    assert.equal(stream.readable, true);
    assert.throws(() => stream.write(Buffer.from("too late")), StreamClosedError);
    await closed.promise;
    assert.equal(answer, "answer to question");
  });

  test("that are reset tell the peer the code", async (t) => {
    const code = deferred<number>();
    const { client } = await pair(t, { behaviour: { reset: (_, reason) => code.resolve(reason) } });
    const stream = client.openStream();
    stream.write(Buffer.from("unfinished"));
    stream.reset(77);
    stream.reset(78);
    assert.equal(stream.writable, false);
    assert.equal(await code.promise, 77);
  });

  test("that nobody wants to read tell the writer the code, and carry the other direction on", async (t) => {
    const code = deferred<number>();
    const heard = deferred<string>();
    const { client } = await pair(
      t,
      {
        behaviour: {
          data(stream) {
            stream.stopSending(88);
            stream.write(Buffer.from("no more, but here is mine"));
            stream.end();
          },
        },
      },
      {
        behaviour: {
          stopped: (_, reason) => code.resolve(reason),
          data: (_, chunk) => heard.resolve(Buffer.from(chunk).toString()),
        },
      },
    );
    const stream = client.openStream();
    stream.write(Buffer.from("a long story"));
    assert.equal(await code.promise, 88);
    assert.equal(stream.writable, false);
    assert.equal(await heard.promise, "no more, but here is mine");
  });

  test("that are paused hold their writer back, and lose nothing", async (t) => {
    const hash = createHash("sha256");
    const ended = deferred();
    const paused = deferred<quic.QuicStream>();
    const { client } = await pair(
      t,
      {
        behaviour: {
          data(stream, chunk) {
            hash.update(chunk);
            if (stream.data !== undefined) return;
            stream.data = "paused once";
            stream.pause();
            paused.resolve(stream);
          },
          end: () => ended.resolve(),
        },
        options: { streamWindowBytes: 64 * KiB, connectionWindowBytes: 128 * KiB },
      },
      { behaviour: { drain: (stream) => pump(stream) }, options: { highWaterMarkBytes: 256 * KiB } },
    );
    const bytes = randomBytes(4 * MiB);
    const pump = writer(bytes);
    const stream = client.openStream();
    pump(stream);
    const held = await paused.promise;
    // It waits for a drain, which comes below half of the mark.
    let queued = 0;
    await until("the writer waits", () => {
      const before = queued;
      queued = stream.bytesQueued;
      return queued === before && queued >= 128 * KiB;
    });
    assert.equal(stream.writable, true, "it has not come to its end");
    held.resume();
    await ended.promise;
    assert.equal(hash.digest("hex"), createHash("sha256").update(bytes).digest("hex"));
  });
});

describe("datagrams", () => {
  test("come back whole, up to the largest size, and not above", async (t) => {
    const sizes: number[] = [];
    const { client } = await pair(
      t,
      { behaviour: { datagram: (connection, bytes) => void connection.sendDatagram(bytes) } },
      { behaviour: { datagram: (_, bytes) => void sizes.push(bytes.length) } },
    );
    const most = client.maxDatagramBytes;
    assert.ok(most > 1_000);
    const wanted = [0, 1, 100, most];
    for (const [index, size] of wanted.entries()) {
      assert.equal(client.sendDatagram(new Uint8Array(size)), "sent");
      await until(`the one of ${size} bytes is back`, () => sizes.length === index + 1);
    }
    assert.deepEqual(sizes, wanted);
    assert.throws(
      () => client.sendDatagram(new Uint8Array(client.maxDatagramBytes + 1)),
      (error: Error) =>
        error instanceof InvalidArgumentError && error.message.includes(String(client.maxDatagramBytes)),
    );
  });
});

describe("options", () => {
  test("handshakeTimeoutMs ends a connect to nobody", async (t) => {
    const silent = await silentUdp();
    t.after(() => silent.close());
    const begun = performance.now();
    const attempt = loopback.connectRaw(t, silent.port, {}, { handshakeTimeoutMs: 200 });
    await assert.rejects(attempt, HandshakeTimeoutError);
    assert.ok(performance.now() - begun >= 190);
  });

  test("highWaterMarkBytes is where write says blocked, and drain is below half of it", async (t) => {
    const drained = deferred<number>();
    const { client } = await pair(
      t,
      {},
      {
        behaviour: { drain: (stream) => drained.resolve(stream.bytesQueued) },
        options: { highWaterMarkBytes: 10_000 },
      },
    );
    const stream = client.openStream();
    assert.equal(stream.write(new Uint8Array(9_999)), "sent");
    assert.equal(stream.write(new Uint8Array(1)), "blocked");
    assert.equal(stream.write(new Uint8Array(1)), "dropped");
    assert.equal(stream.bytesQueued, 10_000);
    assert.ok((await drained.promise) < 5_000);
    assert.equal(stream.write(new Uint8Array(1)), "sent");
  });

  test("shared lets two threads listen on one port, and spreads connections evenly", async (t) => {
    const listener = await loopback.listenRaw(t, {}, { shared: true });
    const { port } = listener.address;
    const other = await SharedThread.start(t);
    assert.equal(await other.listen({ port, tls: loopback.identity }), undefined);
    // The clients are this thread's, and count as its load: so a client is opened for each of its connections.
    const clients: quic.QuicConnection[] = [];
    for (let i = 0; i < 10; i++) clients.push(await loopback.connectRaw(t, port));
    await until("all have been accepted", () => listener.connectionCount + other.opened === 10);
    assert.ok(other.opened >= 5, `the idle thread got ${other.opened} of 10`);
    await other.terminate();
    const again = await loopback.connectRaw(t, port);
    await until("the thread that is left accepts", () => listener.connectionCount + other.opened >= 11);
    assert.equal(again.state, "open");
  });

  test("that are not what they may be are refused by name", async () => {
    const good = { host: "127.0.0.1", port: 0, alpn: [rawAlpn], tls: loopback.identity };
    const wrong: Readonly<Record<string, readonly unknown[]>> = {
      host: ["", 7],
      port: [-1, 65_536, 1.5, "443"],
      alpn: [[], "h3", [""], ["x".repeat(256)]],
      idleTimeoutMs: [-1, 0.5, Number.NaN],
      handshakeTimeoutMs: [0, -1, "10"],
      keepAliveMs: [-1],
      peerBidiStreams: [-1, 65_536],
      peerUniStreams: [-1, 65_536],
      streamWindowBytes: [4_095, 5_000, 32 * MiB],
      connectionWindowBytes: [4_095, 2 * 1024 * MiB],
      highWaterMarkBytes: [0, 2 * 1024 * MiB],
    };
    for (const [name, values] of Object.entries(wrong)) {
      for (const value of values) {
        await assert.rejects(
          quic.listen({ ...good, [name]: value } as quic.QuicListenOptions, {}),
          (error: Error) => error instanceof InvalidArgumentError && error.message.includes(name),
          `${name}: ${value}`,
        );
      }
    }
    for (const url of [
      "",
      "localhost",
      "quic://localhost",
      "quic://localhost:0",
      "https://localhost:443",
      7,
    ]) {
      await assert.rejects(
        quic.connect(url as string, { alpn: [rawAlpn] }),
        (error: Error) =>
          error instanceof InvalidArgumentError && error.message.includes("quic://localhost:4433"),
        String(url),
      );
    }
  });
});

for (const role of roles) {
  describe(`options of a ${role}`, () => {
    test("idleTimeoutMs ends a silent connection on both sides", async (t) => {
      const { own, peer } = await ends(t, role, { options: { idleTimeoutMs: 200 } });
      for (const end of [own, peer]) {
        const info = await end.closed;
        assert.equal(info.by, "transport");
        assert.ok(info.error instanceof ConnectionLostError);
      }
    });

    test("idleTimeoutMs of 0 leaves it to the peer, and where both do, silence has no end", async (t) => {
      const never = { options: { idleTimeoutMs: 0 } };
      const quiet = await ends(t, role, never, never);
      // One that its peer ends tells when the time is over, twice.
      for (let i = 0; i < 2; i++) {
        const { own } = await ends(t, role, never, { options: { idleTimeoutMs: 200 } });
        assert.equal((await own.closed).by, "transport");
      }
      assert.deepEqual([quiet.own.state, quiet.peer.state], ["open", "open"]);
    });

    test("keepAliveMs keeps a silent connection that would have timed out", async (t) => {
      const options = { idleTimeoutMs: 1_500 };
      const { own, peer } = await ends(t, role, { options: { ...options, keepAliveMs: 50 } }, { options });
      // A silent one beside it tells when the time is over, twice.
      for (let i = 0; i < 2; i++) await (await ends(t, role, { options })).own.closed;
      assert.deepEqual([own.state, peer.state], ["open", "open"]);
    });

    test("peerBidiStreams lets no more streams begin than may be open at once", async (t) => {
      let closed = 0;
      const { peer } = await ends(
        t,
        role,
        { behaviour: { end: (stream) => stream.end() }, options: { peerBidiStreams: 2 } },
        {
          behaviour: {
            streamClose: () => {
              closed += 1;
            },
          },
        },
      );
      const streams = Array.from({ length: 10 }, () => peer.openStream());
      for (const stream of streams) stream.write(new Uint8Array(1));
      await until("as many as are allowed have begun", () => streams[1]!.bytesQueued === 0);
      assert.equal(streams[2]!.bytesQueued, 1);
      for (const stream of streams) stream.end();
      await until("all have had their turn", () => closed === 10);
    });

    test("peerBidiStreams and peerUniStreams: what is above fails instead, where that was asked", async (t) => {
      for (const direction of ["bidirectional", "unidirectional"] as const) {
        const closed: quic.QuicStream[] = [];
        const { peer } = await ends(
          t,
          role,
          { options: { peerBidiStreams: 1, peerUniStreams: 1 } },
          { behaviour: { streamClose: (stream) => void closed.push(stream) } },
        );
        const first = peer.openStream({ direction, whenBlocked: "fail" });
        first.write(new Uint8Array(1));
        await first.opened;
        const second = peer.openStream({ direction, whenBlocked: "fail" });
        await assert.rejects(second.opened, StreamLimitError);
        assert.ok((await second.closed).error instanceof StreamLimitError);
        assert.deepEqual(closed, [second]);
        assert.throws(() => second.write(new Uint8Array(1)), StreamClosedError);
        assert.equal(peer.state, "open");
      }
    });

    test("peerBidiStreams and peerUniStreams of 0 allow none", async (t) => {
      const { peer } = await ends(t, role, { options: { peerBidiStreams: 0, peerUniStreams: 0 } });
      for (const direction of ["bidirectional", "unidirectional"] as const) {
        const stream = peer.openStream({ direction, whenBlocked: "fail" });
        await assert.rejects(stream.opened, StreamLimitError);
      }
    });

    test("peerAbortsPerSecond ends a connection whose peer aborts more, and none whose peer does not", async (t) => {
      const abortMany = async ({ peer }: Ends, times: number) => {
        const streams = Array.from({ length: times }, () => peer.openStream({ direction: "unidirectional" }));
        for (const stream of streams) stream.write(new Uint8Array(1));
        await until("all have begun", () => streams.every((stream) => stream.bytesQueued === 0));
        for (const stream of streams) stream.reset(1);
        await Promise.all(streams.map((stream) => stream.closed));
      };
      const strict = await ends(t, role, { options: { peerAbortsPerSecond: 5 } });
      const borne = await ends(t, role, { options: { peerAbortsPerSecond: 0 } });
      for (const each of [strict, borne]) await abortMany(each, 50);
      assert.equal(strict.own.state, "open", "its budget is that of ten seconds");
      for (const each of [strict, borne]) await abortMany(each, 50);
      assert.equal(borne.own.state, "open");
      const { by, code, error } = await strict.own.closed;
      assert.deepEqual({ by, code }, { by: "local", code: CloseCode.policy });
      assert.ok(error instanceof PolicyViolationError);
    });

    test("datagrams: false leaves the peer unable to send any", async (t) => {
      const { peer } = await ends(t, role, { options: { datagrams: false } });
      assert.equal(peer.maxDatagramBytes, 0);
      assert.throws(() => peer.sendDatagram(new Uint8Array(1)), InvalidArgumentError);
    });

    test("the windows bound what a reader who stands still is sent", async (t) => {
      // The engine takes up to 256 KiB of a stream for JavaScript, and no more than a window; beyond, the windows count.
      for (const [options, taken, bound] of [
        [{ streamWindowBytes: 4 * KiB, connectionWindowBytes: 16 * KiB }, 16 * KiB, 32 * KiB],
        [{ streamWindowBytes: 16 * KiB, connectionWindowBytes: 64 * KiB }, 64 * KiB, 128 * KiB],
        [{ streamWindowBytes: 64 * KiB, connectionWindowBytes: 16 * MiB }, 256 * KiB, 4 * MiB],
      ] as const) {
        const paused = deferred<{ held: quic.QuicStream; first: number }>();
        const { peer } = await ends(
          t,
          role,
          {
            behaviour: {
              data(stream, chunk) {
                stream.pause();
                paused.resolve({ held: stream, first: chunk.length });
              },
            },
            options,
          },
          { options: { highWaterMarkBytes: 64 * MiB } },
        );
        const stream = peer.openStream();
        const total = 16 * MiB;
        for (let sent = 0; sent < total; sent += 4 * KiB) stream.write(new Uint8Array(4 * KiB));
        const { held, first } = await paused.promise;
        let came = 0;
        await until("no more comes", () => {
          const before = came;
          came = held.bytesReceived;
          return came === before && came >= taken;
        });
        // What was handed over is consumed: where the engine has not yet come to a stop, it takes as much again.
        assert.ok(came <= taken + first, `${came} came, ${first} of it before the pause`);
        assert.ok(
          total - stream.bytesQueued <= bound + first,
          `${total - stream.bytesQueued} of at most ${bound + first}`,
        );
      }
    });

    test("deadlineMs is when a graceful close gives up on a peer that reads nothing", async (t) => {
      const closing = async (deadlineMs: number) => {
        const held = deferred<quic.QuicStream>();
        const { own, peer } = await ends(
          t,
          role,
          {},
          {
            behaviour: {
              data(stream) {
                stream.pause();
                held.resolve(stream);
              },
            },
            options: { streamWindowBytes: 4 * KiB, connectionWindowBytes: 16 * KiB },
          },
        );
        const stream = own.openStream();
        stream.write(new Uint8Array(MiB));
        stream.end();
        const unread = await held.promise;
        return { own, peer, unread, closing: own.close({ deadlineMs }) };
      };
      const patient = await closing(60_000);
      const begun = performance.now();
      const hasty = await closing(300);
      assert.equal((await hasty.closing).by, "local");
      assert.ok(performance.now() - begun >= 290);
      await hasty.peer.closed;
      assert.ok(hasty.unread.bytesReceived < MiB, `${hasty.unread.bytesReceived} bytes had arrived`);
      assert.equal(patient.own.state, "closing");
      await patient.own.close({ graceful: false });
    });
  });
}

test("a close carries its code and reason, and ends streams and sends", async (t) => {
  const { client, server } = await pair(t);
  const stream = client.openStream();
  const closing = client.close({ code: 4_000_000_000, reason: "goodbye" });
  assert.throws(() => client.openStream(), ConnectionClosedError);
  assert.throws(() => client.sendDatagram(new Uint8Array(1)), ConnectionClosedError);
  const ours = await closing;
  const theirs = await server.closed;
  assert.deepEqual([ours.by, ours.code], ["local", 4_000_000_000]);
  assert.deepEqual([theirs.by, theirs.code], ["peer", 4_000_000_000]);
  assert.throws(() => stream.write(new Uint8Array(1)), StreamClosedError);
});
