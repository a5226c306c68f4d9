import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { type AddressInfo, createServer, Socket } from "node:net";
import { describe, type TestContext, test } from "node:test";
import { connect as connectTls } from "node:tls";
import {
  type Behaviour,
  CloseCode,
  type CloseInfo,
  ConnectionLostError,
  connect,
  FrameMalformedError,
  FrameTooLargeError,
  frameCodec,
  HandshakeFailedError,
  jsonCodec,
  type Listener,
  type ListenOptions,
  listen,
  PolicyViolationError,
  ProtocolViolationError,
} from "millrace";
import { Authority } from "millrace/testing";
import { deferred } from "../kit/deferred.js";
import { until } from "../kit/until.js";
import { echo, frame, framesIn, Kind, RawPeer, serve } from "./kit.js";

const MiB = 1024 * 1024;
const codecs = [frameCodec, jsonCodec];

interface Victim {
  readonly listener: Listener;
  readonly heard: string[];
  /** How each connection ended, in order. */
  readonly ends: CloseInfo[];
}

async function victim(t: TestContext, options: ListenOptions = {}): Promise<Victim> {
  const heard: string[] = [];
  const ends: CloseInfo[] = [];
  const behaviour: Behaviour = {
    message(connection, bytes) {
      heard.push(Buffer.from(bytes).toString("latin1"));
      connection.send(bytes);
    },
    close: (_, info) => void ends.push(info),
  };
  return { listener: await serve(t, behaviour, options), heard, ends };
}

async function assertServes({ urls }: Listener): Promise<void> {
  const connection = await connect(urls[0]!);
  connection.send(Buffer.from("innocent"));
  for await (const message of connection) {
    assert.equal(Buffer.from(message).toString(), "innocent");
    break;
  }
  await connection.close({ graceful: false });
}

async function endOf({ ends }: Victim): Promise<CloseInfo> {
  await until("the connection has ended", () => ends.length > 0);
  return ends[0]!;
}

describe("bytes of strangers", () => {
  test("at random end their own connections and nothing else, before a greeting and behind it", async (t) => {
    const { listener } = await victim(t, { codecs, handshakeTimeoutMs: 5_000, frameTimeoutMs: 300 });
    const peers = await Promise.all(
      Array.from({ length: 200 }, (_, index) =>
        index % 2 === 0 ? RawPeer.dial(t, listener) : RawPeer.dialFrames(t, listener),
      ),
    );
    for (const peer of peers) peer.write(randomBytes(1 + Math.floor(Math.random() * 5000)));
    await assertServes(listener);
    for (const peer of peers) await peer.isEnded();
    await until("none is left", () => listener.connectionCount === 0);
  });

  test("that announce 4 GiB are refused by the length alone", async (t) => {
    const at = await victim(t);
    const peer = await RawPeer.dialFrames(t, at.listener);
    peer.write(Buffer.alloc(4, 0xff));
    const { by, code, error } = await endOf(at);
    assert.deepEqual({ by, code }, { by: "local", code: CloseCode.frameTooLarge });
    assert.ok(error instanceof FrameTooLargeError);
    await peer.isEnded();
    assert.deepEqual(framesIn(peer.received), [
      { kind: Kind.close, type: CloseCode.frameTooLarge, text: "message too large" },
    ]);
    await assertServes(at.listener);
  });

  test("that announce much and send little take the memory of little", async (t) => {
    const { listener } = await victim(t, { maxMessageBytes: 64 * MiB });
    const before = process.memoryUsage.rss();
    const peers = await Promise.all(Array.from({ length: 100 }, () => RawPeer.dialFrames(t, listener)));
    const length = Buffer.alloc(4);
    length.writeUInt32LE(60 * MiB);
    for (const peer of peers) peer.write(Buffer.concat([length, Buffer.alloc(100)]));
    await assertServes(listener);
    const growth = process.memoryUsage.rss() - before;
    assert.ok(growth < 64 * MiB, `memory grew by ${growth / MiB} MiB`);
  });

  test("that are no frame are malformed, and of no known kind a violation", async (t) => {
    for (const [bytes, code, Fault] of [
      [
        Buffer.concat([Buffer.from([60, 0, 0, 0]), Buffer.alloc(60)]),
        CloseCode.frameMalformed,
        FrameMalformedError,
      ],
      [Buffer.alloc(4), CloseCode.frameMalformed, FrameMalformedError],
      [frame("", 5), CloseCode.protocolViolation, ProtocolViolationError],
    ] as const) {
      const at = await victim(t);
      const peer = await RawPeer.dialFrames(t, at.listener);
      peer.write(bytes);
      const end = await endOf(at);
      assert.equal(end.code, code);
      assert.ok(end.error instanceof Fault);
      await peer.isEnded();
      assert.equal(framesIn(peer.received)[0]?.type, code);
    }
  });

  test("are the same frames wherever they are cut", async (t) => {
    const { listener } = await victim(t);
    const texts = ["a", "", "x".repeat(79), "x".repeat(222)]; // two whose first byte is { and LF
    const bytes = Buffer.concat([Buffer.from("MILLRACE millrace/1\n"), ...texts.map((text) => frame(text))]);
    const cutAt = async (cut: number): Promise<void> => {
      const peer = await RawPeer.dial(t, listener);
      peer.socket.setNoDelay(true);
      await new Promise((resolve) => peer.socket.write(bytes.subarray(0, cut), resolve));
      // On loopback it is there: the next turn of this very event loop reads it.
      for (let turn = 0; turn < 2; turn++) await new Promise(setImmediate);
      peer.write(Buffer.concat([bytes.subarray(cut), frame("", Kind.close)]));
      await peer.isEnded();
      const answer = Buffer.from("MILLRACE millrace/1\n");
      assert.deepEqual(peer.received.subarray(0, answer.length), answer);
      const echoed = framesIn(peer.received.subarray(answer.length)).map(({ text }) => text);
      assert.deepEqual(echoed, texts, `cut at ${cut}`);
    };
    for (let first = 1; first < bytes.length; first += 50) {
      const cuts = Array.from({ length: Math.min(50, bytes.length - first) }, (_, index) => first + index);
      await Promise.all(cuts.map(cutAt));
    }
  });

  test("one at a time are frames, too", async (t) => {
    const { listener, heard } = await victim(t);
    const peer = await RawPeer.dial(t, listener);
    peer.socket.setNoDelay(true);
    for (const byte of Buffer.concat([
      Buffer.from("MILLRACE millrace/1\r\n"),
      frame("drop"),
      frame("by drop"),
    ])) {
      peer.write(Uint8Array.of(byte));
      await new Promise(setImmediate);
    }
    await until("all are heard", () => heard.length === 2);
    assert.deepEqual(heard, ["drop", "by drop"]);
  });

  test("of TLS on a clear port, and clear ones on TLS's, end at once", async (t) => {
    const { listener } = await victim(t, { codecs });
    const { port } = listener.addresses[0]!;
    const tls = connectTls({ port, host: "127.0.0.1" });
    const [error] = await once(tls, "error");
    assert.equal((error as NodeJS.ErrnoException).code, "ERR_SSL_WRONG_VERSION_NUMBER");
    const identity = await (await Authority.make()).issue();
    const secure = await listen("tls://127.0.0.1:0", echo, { tls: identity, codecs });
    t.after(() => secure.close({ graceful: false }));
    for (const bytes of ['{"type":"message"}\n', "MILLRACE millrace/1\n", randomBytes(500)]) {
      const peer = await RawPeer.dial(t, secure);
      peer.write(bytes);
      await peer.isEnded();
    }
    await assertServes(listener);
  });

  test("without an end to their greeting stop at its limit", async (t) => {
    const { listener } = await victim(t, { handshakeTimeoutMs: 60_000 });
    const peer = await RawPeer.dial(t, listener);
    peer.write(`MILLRACE ${"x".repeat(4096)}`);
    await peer.isEnded();
    assert.equal(peer.text, "MISMATCH millrace/1\n");
  });
});

describe("peers that hold a place", () => {
  test("1,000 that never speak are let go at the handshake's time, and others are served meanwhile", async (t) => {
    const { listener } = await victim(t, { handshakeTimeoutMs: 3_000 });
    const before = process.memoryUsage.rss();
    const peers = await Promise.all(Array.from({ length: 1000 }, () => RawPeer.dial(t, listener)));
    await assertServes(listener);
    assert.equal(listener.connectionCount <= 1, true);
    for (const peer of peers) await peer.isEnded();
    const growth = process.memoryUsage.rss() - before;
    assert.ok(growth < 64 * MiB, `memory grew by ${growth / MiB} MiB`); // both ends of each
    await assertServes(listener);
  });

  test("that greet a byte now and then gain no time by it", async (t) => {
    const { listener } = await victim(t, { handshakeTimeoutMs: 300 });
    const peer = await RawPeer.dial(t, listener);
    const greeting = `MILLRACE ${"x".repeat(4000)}`;
    let at = 0;
    const drip = setInterval(() => peer.write(greeting[at++]!), 10);
    t.after(() => clearInterval(drip));
    await peer.isEnded();
  });

  test("with a handshake in TLS that stands still are let go", async (t) => {
    const identity = await (await Authority.make()).issue();
    const options = { tls: identity, handshakeTimeoutMs: 300 };
    const listener = await listen("tls://127.0.0.1:0", echo, options);
    t.after(() => listener.close({ graceful: false }));
    const peer = await RawPeer.dial(t, listener);
    peer.write(Uint8Array.of(0x16, 3, 1)); // the beginning of a hello
    await peer.isEnded();
    const silent = connectTls({
      port: listener.addresses[0]!.port,
      host: "127.0.0.1",
      rejectUnauthorized: false,
    });
    silent.on("error", () => {}); // it has no ALPN, and says nothing; or its handshake has taken too long
    await new Promise((resolve) => silent.once("close", resolve));
  });

  test("by an unfinished frame, or line, are closed at its deadline, byte by byte as well", async (t) => {
    for (const [dial, bytes] of [
      [RawPeer.dialFrames, frame("x".repeat(1000))],
      [RawPeer.dial, Buffer.from(`{"type":"message","text":"${"x".repeat(1000)}`)],
    ] as const) {
      const at = await victim(t, { codecs, frameTimeoutMs: 200 });
      const peer = await dial(t, at.listener);
      let next = 0;
      const drip = setInterval(() => peer.write(bytes.subarray(next, ++next)), 10);
      t.after(() => clearInterval(drip));
      const { by, code, error } = await endOf(at);
      assert.deepEqual({ by, code }, { by: "local", code: CloseCode.policy });
      assert.ok(error instanceof PolicyViolationError);
      clearInterval(drip);
      await peer.isEnded();
    }
  });

  test("are not blamed while this side reads nothing", async (t) => {
    const frameTimeoutMs = 100;
    const heard: number[] = [];
    const listener = await serve(
      t,
      {
        message(connection, bytes) {
          heard.push(bytes.length);
          if (heard.length === 1) connection.pause();
        },
      },
      { frameTimeoutMs },
    );
    const peer = await RawPeer.dialFrames(t, listener);
    peer.write(Buffer.concat([frame("1"), frame("x".repeat(100)).subarray(0, 60)]));
    await until("it is paused", () => heard.length === 1);
    // Another's deadline, set later and as long, has passed meanwhile.
    const other = await victim(t, { frameTimeoutMs });
    (await RawPeer.dialFrames(t, other.listener)).write(Uint8Array.of(1));
    await endOf(other);
    peer.write(frame("x".repeat(100)).subarray(60));
    for (const connection of listener.connections()) connection.resume();
    await until("the second is heard", () => heard.length === 2);
  });

  test("are let go with the listener", async (t) => {
    const listener = await listen("tcp://127.0.0.1:0", echo, { handshakeTimeoutMs: 60_000 });
    const peers = [await RawPeer.dial(t, listener), await RawPeer.dial(t, listener)];
    await listener.close();
    for (const peer of peers) await peer.isEnded();
  });
});

describe("peers that do not read", () => {
  test("are answered until their queue is at the mark, and their pings no more", async (t) => {
    const highWaterMarkBytes = 64 * 1024;
    const { listener, heard } = await victim(t, { highWaterMarkBytes });
    const peer = await RawPeer.dialFrames(t, listener);
    peer.socket.pause();
    const [connection] = [...listener.connections()];
    while (connection!.send(new Uint8Array(60_000)) !== "dropped") await new Promise(setImmediate);
    const pings = Buffer.concat(Array.from({ length: 10_000 }, () => frame("", Kind.ping)));
    peer.write(Buffer.concat([pings, frame("behind them")]));
    await until("all are read", () => heard.length === 1);
    assert.ok(
      connection!.bytesQueued <= highWaterMarkBytes + 60_048,
      `${connection!.bytesQueued} are queued`,
    );
    await connection!.close({ graceful: false });
  });
});

describe("peers that are gone without a word", () => {
  test("are found, for they answer no ping", async (t) => {
    const at = await victim(t, { idleTimeoutMs: 400 });
    const peer = await RawPeer.dialFrames(t, at.listener);
    const { by, error } = await endOf(at);
    assert.equal(by, "transport");
    assert.ok(error instanceof ConnectionLostError);
    assert.equal(framesIn(peer.received)[0]?.kind, Kind.ping);
  });

  test("are not those that answer", async (t) => {
    const at = await victim(t, { idleTimeoutMs: 300 });
    const peer = await RawPeer.dialFrames(t, at.listener);
    peer.socket.on("data", () => peer.write(frame("", Kind.pong)));
    await until("it was asked six times", () => framesIn(peer.received).length >= 6);
    assert.equal(at.ends.length, 0);
  });

  test("are not those whose reader has paused: they say that they live", async (t) => {
    const at = await victim(t, { idleTimeoutMs: 300 });
    const client = await connect(at.listener.urls[0]!, { message() {} }, { idleTimeoutMs: 300 });
    t.after(() => client.close({ graceful: false }));
    client.pause();
    const silent = await victim(t, { idleTimeoutMs: 1_200 }); // one that does not is gone in four times as long
    await RawPeer.dialFrames(t, silent.listener);
    await endOf(silent);
    assert.deepEqual([client.state, at.ends.length], ["open", 0]);
  });

  test("on lines are asked by the operating system", async (t) => {
    const { listener } = await victim(t, { codecs, idleTimeoutMs: 20_000 });
    const peer = await RawPeer.dial(t, listener);
    peer.write('{"type":"message","text":"hello"}\n');
    await peer.hears("hello");
    const { port } = listener.addresses[0]!;
    // Its own timer is listed when what was sent last is acknowledged.
    const sockets = () =>
      execFileSync("ss", ["-tnoH", "state", "established", "sport", "=", `:${port}`]).toString();
    await until("the keep-alive is armed", () => /timer:\(keepalive,(9|10)/.test(sockets()));
  });
});

describe("the end of frames", () => {
  test("is a close frame: the code, the reason, and nothing behind it", async (t) => {
    const at = await victim(t);
    const peer = await RawPeer.dialFrames(t, at.listener);
    peer.write(Buffer.concat([frame("last"), frame("enough ✓", Kind.close, 400), frame("too late")]));
    assert.deepEqual(await endOf(at), { by: "peer", code: 400, reason: "enough ✓" });
    assert.deepEqual(at.heard, ["last"]);
    await peer.isEnded();
    assert.equal(framesIn(peer.received).at(-1)?.text, "last", "what was queued still came");
  });

  test("with a code that is none is a violation", async (t) => {
    const at = await victim(t);
    (await RawPeer.dialFrames(t, at.listener)).write(frame("x".repeat(500), Kind.close, 5000));
    const { reason, error } = await endOf(at);
    assert.ok(error instanceof ProtocolViolationError);
    assert.equal(reason.length, 123);
  });

  test("without one is a connection lost, in the middle of a frame as well", async (t) => {
    for (const bytes of ["", frame("half").subarray(0, 20)]) {
      const at = await victim(t);
      const peer = await RawPeer.dialFrames(t, at.listener);
      peer.socket.end(bytes);
      const { by, error } = await endOf(at);
      assert.equal(by, "transport");
      assert.ok(error instanceof ConnectionLostError);
    }
  });

  test("by a reset is a connection lost", async (t) => {
    const at = await victim(t);
    (await RawPeer.dialFrames(t, at.listener)).socket.resetAndDestroy();
    const { by, code, error } = await endOf(at);
    assert.deepEqual([by, code > 0], ["transport", true]);
    assert.ok(error instanceof ConnectionLostError);
  });

  test("that was to be graceful says so where the peer was gone before", async (t) => {
    const at = await victim(t, { highWaterMarkBytes: 64 * MiB });
    const peer = await RawPeer.dialFrames(t, at.listener);
    peer.socket.pause();
    const [connection] = [...at.listener.connections()];
    while (connection!.send(new Uint8Array(MiB)) === "sent");
    const closing = connection!.close({ code: 300 });
    peer.socket.resetAndDestroy();
    const { by, code, error } = await closing;
    assert.deepEqual({ by, code }, { by: "local", code: 300 });
    assert.ok(error instanceof ConnectionLostError);
  });

  test("reaches a peer that is still sending, whose bytes nobody reads any more", async (t) => {
    const at = await victim(t, { maxMessageBytes: 1000 });
    const peer = await RawPeer.dialFrames(t, at.listener);
    const flood = Buffer.concat(Array.from({ length: 200 }, () => frame("x".repeat(5000))));
    peer.write(flood);
    await peer.isEnded();
    assert.equal(framesIn(peer.received)[0]?.type, CloseCode.frameTooLarge);
  });
});

describe("servers of something else", () => {
  async function pretend(t: TestContext, meet: (socket: Socket) => void): Promise<string> {
    const server = createServer((socket) => meet(socket.on("error", () => {})));
    t.after(() => server.close());
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return `tcp://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  test("are named as such, whatever they say", async (t) => {
    for (const [said, message] of [
      ["SSH-2.0-OpenSSH_9.2\r\n", /does not answer as a millrace server does; check the port/],
      [Uint8Array.of(0x15, 3, 1, 0, 2, 2, 40), /it speaks TLS: connect by tls:\/\//],
      ["MILLRACE other/1\n", /speaks "other\/1"/],
      [`MILLRACE ${"x".repeat(10_000)}`, /does not answer as a millrace server does/],
      ["MILLRACE %zz\n", /does not answer as a millrace server does/],
    ] as const) {
      const url = await pretend(t, (socket) => socket.write(said));
      await assert.rejects(connect(url), message);
    }
    await assert.rejects(connect(await pretend(t, (socket) => socket.end())), HandshakeFailedError);
    await assert.rejects(
      connect(await pretend(t, (socket) => socket.resetAndDestroy())),
      HandshakeFailedError,
    );
  });
});

test("what is sent in one turn leaves in one write, with the end of the handshake", async (t) => {
  const received = deferred();
  let count = 0;
  const listener = await serve(t, {
    open(connection) {
      for (let index = 0; index < 500; index++) connection.send(new Uint8Array(50));
    },
  });
  const { port } = listener.addresses[0]!;
  const write = t.mock.method(Socket.prototype, "write");
  const client = await connect(listener.urls[0]!, {
    message() {
      count += 1;
      if (count === 500) received.resolve();
    },
  });
  t.after(() => client.close({ graceful: false }));
  await received.promise;
  const byServer = write.mock.calls.filter((call) => (call.this as Socket).localPort === port);
  assert.equal(byServer.length, 1, "the answer to the greeting, and the messages behind it");
});
