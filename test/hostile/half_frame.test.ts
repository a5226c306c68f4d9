import assert from "node:assert/strict";
import { describe, type TestContext, test } from "node:test";
import { CloseCode, type CloseInfo, type Listener, listen, PolicyViolationError } from "millrace";
import { type QuicConnection, type QuicStream, quicCounters } from "millrace/quic";
import { deferred } from "../kit/deferred.js";
import { lanePrefix, messageFrame } from "../kit/lane.js";
import { Loopback } from "../kit/loopback.js";
import { until } from "../kit/until.js";

const frameTimeoutMs = 200;
/** For peers that are to stay, on a machine that may let any of their threads wait. */
const patientFrameTimeoutMs = 1_500;

const loopback = await Loopback.make();

interface Victim {
  readonly listener: Listener;
  readonly peer: QuicConnection;
  readonly texts: string[];
  readonly closed: Promise<CloseInfo>;
}

/** A listener for messages, and a peer that speaks its lanes by hand. */
async function victim(
  t: TestContext,
  { frameTimeoutMs: timeoutMs = frameTimeoutMs, message = () => {} } = {},
): Promise<Victim> {
  const texts: string[] = [];
  const closed = deferred<CloseInfo>();
  const listener = await loopback.listen(
    t,
    {
      message: (_, bytes) => {
        texts.push(Buffer.from(bytes).toString());
        message();
      },
      close: (_, info) => closed.resolve(info),
    },
    { frameTimeoutMs: timeoutMs },
  );
  const peer = await loopback.connectRaw(
    t,
    listener.addresses[0]!.port,
    {},
    { alpn: ["millrace/1"], datagrams: false, keepAliveMs: 50 },
  );
  return { listener, peer, texts, closed: closed.promise };
}

function lane(peer: QuicConnection, ...parts: Uint8Array[]): QuicStream {
  const stream = peer.openStream({ direction: "unidirectional" });
  for (const part of parts) stream.write(part);
  return stream;
}

describe("a peer that never finishes what it has begun", () => {
  const beginnings: readonly (readonly [what: string, bytes: Buffer])[] = [
    ["a lane's prefix", lanePrefix(0, 0).subarray(0, 3)],
    ["a frame's length", Buffer.concat([lanePrefix(0, 0), messageFrame("long").subarray(0, 2)])],
    ["a frame", Buffer.concat([lanePrefix(0, 0), messageFrame("x".repeat(500)).subarray(0, 300)])],
    [
      "the frame after a whole one",
      Buffer.concat([lanePrefix(0, 0), messageFrame("whole"), messageFrame("half").subarray(0, 20)]),
    ],
    ["its wish to close", Buffer.concat([lanePrefix(0xffff, 0), Buffer.alloc(2)])],
  ];
  for (const [what, bytes] of beginnings) {
    test(`but ${what} is closed, though it keeps the connection alive, and counted`, async (t) => {
      const { listener, peer, closed, texts } = await victim(t);
      const innocent = await loopback.connect(t, listener.urls[0]!);
      const before = quicCounters().peersFailed;
      lane(peer, bytes);
      const { by, code, error } = await closed;
      assert.deepEqual({ by, code }, { by: "local", code: CloseCode.policy });
      assert.ok(error instanceof PolicyViolationError);
      assert.equal(quicCounters().peersFailed, before + 1);
      assert.equal((await peer.closed).code, CloseCode.policy);
      innocent.send(Buffer.from("innocent"));
      await until("another is heard", () => texts.at(-1) === "innocent");
    });
  }

  test("byte by byte is closed as well: each byte alone is no progress", async (t) => {
    const { peer, closed } = await victim(t);
    const stream = lane(peer, lanePrefix(0, 0));
    const frame = messageFrame("x".repeat(100_000));
    let at = 0;
    const drip = setInterval(() => {
      if (stream.writable) stream.write(frame.subarray(at, ++at));
    }, 10);
    t.after(() => clearInterval(drip));
    assert.equal((await closed).code, CloseCode.policy);
  });
});

describe("a peer that is slow", () => {
  test("but finishes each frame in time stays, however long all of them take", async (t) => {
    const { peer, texts } = await victim(t, { frameTimeoutMs: patientFrameTimeoutMs });
    const frame = messageFrame("again");
    const stream = lane(peer, lanePrefix(0, 0), frame.subarray(0, 10));
    const end = performance.now() + 2 * patientFrameTimeoutMs;
    let heard = 0;
    while (performance.now() < end) {
      stream.write(Buffer.concat([frame.subarray(10), frame.subarray(0, 10)]));
      heard += 1;
      await until("one more is heard", () => texts.length === heard);
    }
    stream.write(frame.subarray(10));
    await until("the last is heard", () => texts.length === heard + 1);
    assert.equal(peer.state, "open");
  });

  test("because this side takes nothing for a while is not blamed for it", async (t) => {
    let stalls = 1;
    const { peer, texts } = await victim(t, {
      frameTimeoutMs: patientFrameTimeoutMs,
      message() {
        // Longer than the timeout, while more comes than the engine takes without this thread.
        const stallMs = 2 * patientFrameTimeoutMs;
        if (stalls-- > 0) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, stallMs);
      },
    });
    const half = messageFrame("half");
    const other = lane(peer, lanePrefix(1, 0), half.subarray(0, 20));
    const many = messageFrame("x".repeat(60_000));
    const stream = lane(peer, lanePrefix(0, 0));
    for (let i = 0; i < 16; i++) stream.write(many);
    await until("all of the one lane is heard", () => texts.length === 16);
    other.write(half.subarray(20));
    await until("the other is heard", () => texts.at(-1) === "half");
    assert.equal(peer.state, "open");
  });

  test("beyond any measure stays where the timeout is 0", async (t) => {
    const texts: string[] = [];
    const listener = await loopback.listen(
      t,
      { message: (_, bytes) => void texts.push(Buffer.from(bytes).toString()) },
      { frameTimeoutMs: 0, idleTimeoutMs: 0 },
    );
    const peer = await loopback.connectRaw(t, listener.addresses[0]!.port, {}, { alpn: ["millrace/1"] });
    const frame = messageFrame("at last");
    const stream = lane(peer, lanePrefix(0, 0), frame.subarray(0, 20));
    // Another listener's deadline, with as much on its account, has passed meanwhile.
    const reference = await victim(t);
    lane(reference.peer, lanePrefix(0, 0).subarray(0, 1));
    await reference.closed;
    stream.write(frame.subarray(20));
    await until("it is heard", () => texts[0] === "at last");
  });
});

test("frameTimeoutMs is refused with a WebSocket URL, which could not keep it", async () => {
  await assert.rejects(
    listen("ws://127.0.0.1:0", {}, { frameTimeoutMs: 1_000 }),
    /frameTimeoutMs is for QUIC/,
  );
});
