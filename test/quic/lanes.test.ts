import assert from "node:assert/strict";
import { describe, type TestContext, test } from "node:test";
import { CloseCode, type CloseInfo, type Connection, type Listener } from "millrace";
import type { QuicConnection, QuicStream } from "millrace/quic";
import { loadAddon } from "#internal/native/addon.js";
import { deferred } from "../kit/deferred.js";
import { closeLane, messageFrame as frame, lanePrefix as prefix } from "../kit/lane.js";
import { Loopback } from "../kit/loopback.js";
import { until } from "../kit/until.js";

const loopback = await Loopback.make();

function laneStreams(): number {
  return loadAddon().processCounters().laneStreams;
}

/** A listener for messages and a raw peer of it that speaks lanes by hand. */
class ByHand {
  readonly texts: string[] = [];
  readonly listener: Listener;
  readonly peer: QuicConnection;
  readonly #serverClosed: Promise<CloseInfo>;

  private constructor(
    listener: Listener,
    peer: QuicConnection,
    texts: string[],
    serverClosed: Promise<CloseInfo>,
  ) {
    this.listener = listener;
    this.peer = peer;
    this.texts = texts;
    this.#serverClosed = serverClosed;
  }

  static async open(t: TestContext): Promise<ByHand> {
    const texts: string[] = [];
    const closed = deferred<CloseInfo>();
    const listener = await loopback.listen(t, {
      message: (_, bytes) => void texts.push(Buffer.from(bytes).toString()),
      close: (_, info) => closed.resolve(info),
    });
    const peer = await loopback.connectRaw(
      t,
      listener.addresses[0]!.port,
      { error: () => {} },
      { alpn: ["millrace/1"], datagrams: false },
    );
    return new ByHand(listener, peer, texts, closed.promise);
  }

  /** A unidirectional stream that sends these parts, and then FIN unless told to stay open. */
  stream(parts: readonly Uint8Array[], { open = false } = {}): QuicStream {
    const stream = this.peer.openStream({ direction: "unidirectional" });
    for (const part of parts) stream.write(part);
    if (!open) stream.end();
    return stream;
  }

  async heard(...texts: string[]): Promise<void> {
    await until(`heard ${texts}`, () => this.texts.length >= texts.length);
    assert.deepEqual(this.texts, texts);
  }

  /** The server has ended the connection with that code, and still takes others. */
  async assertRefused(t: TestContext, code: number): Promise<void> {
    const [theirs, ours] = await Promise.all([this.#serverClosed, this.peer.closed]);
    assert.deepEqual({ by: theirs.by, code: theirs.code }, { by: "local", code });
    assert.ok(theirs.error !== undefined);
    assert.deepEqual({ by: ours.by, code: ours.code }, { by: "peer", code });
    const other = await loopback.connect(t, this.listener.urls[0]!);
    other.send(Buffer.from("another"));
    await until("another connection is heard", () => this.texts.at(-1) === "another");
  }

  /** The server has ended the connection as the peer asked. */
  async assertFinished(code: number, reason: string): Promise<void> {
    const { by, code: told, reason: why } = await this.#serverClosed;
    assert.deepEqual({ by, code: told, reason: why }, { by: "peer", code, reason });
  }
}

/** {u32 count, count × {u32 lane, u32 streams}}, then the reason. */
function closeRequest(lanes: readonly (readonly [lane: number, streams: number])[], reason: string): Buffer {
  const words = Buffer.from(new Uint32Array([lanes.length, ...lanes.flat()]).buffer);
  return Buffer.concat([words, Buffer.from(reason)]);
}

describe("a framed connection", () => {
  test("holds no stream when idle, and keeps its order over many bursts", async (t) => {
    const echoed: number[] = [];
    const listener = await loopback.listen(t, {
      message: (connection: Connection, bytes) => void connection.send(bytes),
    });
    const connection = await loopback.connect(t, listener.urls[0]!, {
      message: (_, bytes) => void echoed.push(Buffer.from(bytes).readUInt32LE()),
    });
    let sent = 0;
    for (let burst = 0; burst < 4; burst++) {
      for (let i = 0; i < 500; i++) {
        const message = Buffer.alloc(200);
        message.writeUInt32LE(sent++);
        connection.send(message);
      }
      assert.ok(await seen(() => laneStreams() > 0), "a burst takes a stream");
      await until("all have come back", () => echoed.length === sent);
      await until("both sides' streams have ended", () => laneStreams() === 0);
    }
    assert.deepEqual(echoed, [...Array(sent).keys()]);
  });

  test("finishes its lanes before it closes gently", async (t) => {
    const texts: string[] = [];
    const listener = await loopback.listen(t, {
      message: (_, bytes) => void texts.push(Buffer.from(bytes).toString()),
    });
    const connection = await loopback.connect(t, listener.urls[0]!);
    for (let i = 0; i < 100; i++) connection.send(Buffer.from(`${i}`));
    await connection.close({ code: 400, reason: "that was all" });
    await until("the listener has heard of it", () => listener.connectionCount === 0);
    assert.equal(texts.length, 100);
    await until("no stream is left", () => laneStreams() === 0);
  });
});

/** Whether something that lasts for 250 ms is seen while the event loop turns. */
async function seen(met: () => boolean): Promise<boolean> {
  for (let turn = 0; turn < 10_000 && !met(); turn++) await new Promise(setImmediate);
  return met();
}

describe("a peer that speaks lanes by hand", () => {
  test("is heard in the order of its streams' ordinals, whichever comes first", async (t) => {
    const byHand = await ByHand.open(t);
    byHand.stream([prefix(0, 2), frame("third")]);
    byHand.stream([prefix(0, 1), frame("second a"), frame("second b")]);
    // A round trip on another lane: what came before it has arrived.
    byHand.stream([prefix(1, 0), frame("other lane")]);
    await byHand.heard("other lane");
    byHand.stream([prefix(0, 0), frame("first")]);
    await byHand.heard("other lane", "first", "second a", "second b", "third");
    assert.equal(byHand.peer.state, "open");
  });

  test("is closed gently when it asks so, after all that it announced was heard", async (t) => {
    const byHand = await ByHand.open(t);
    byHand.stream([prefix(closeLane, 321), closeRequest([[0, 2]], "done")]);
    byHand.stream([prefix(0, 1), frame("b")]);
    byHand.stream([prefix(0, 0), frame("a")]);
    await byHand.assertFinished(321, "done");
    assert.deepEqual(byHand.texts, ["a", "b"]);
  });

  const faults: readonly (readonly [what: string, code: number, commit: (byHand: ByHand) => void])[] = [
    [
      "sends an ordinal twice",
      CloseCode.protocolViolation,
      (byHand) => {
        byHand.stream([prefix(0, 0), frame("once")]);
        byHand.stream([prefix(0, 0), frame("twice")]);
      },
    ],
    [
      "has two streams of one ordinal at once",
      CloseCode.protocolViolation,
      (byHand) => {
        for (const text of ["one", "another"]) byHand.stream([prefix(0, 0), frame(text)], { open: true });
      },
    ],
    [
      "is far ahead of its turn",
      CloseCode.protocolViolation,
      (byHand) => {
        byHand.stream([prefix(0, 100_000), frame("too early")]);
      },
    ],
    [
      "sends a prefix whose zeros are none",
      CloseCode.protocolViolation,
      (byHand) => {
        byHand.stream([prefix(0, 0, 1), frame("odd")]);
      },
    ],
    [
      "resets a lane",
      CloseCode.protocolViolation,
      (byHand) => {
        const stream = byHand.stream([prefix(0, 0), frame("begun")], { open: true });
        setImmediate(() => stream.reset(1));
      },
    ],
    [
      "ends a stream in the middle of its prefix",
      CloseCode.protocolViolation,
      (byHand) => {
        byHand.stream([prefix(0, 0).subarray(0, 5)]);
      },
    ],
    [
      "ends a stream without a frame",
      CloseCode.protocolViolation,
      (byHand) => {
        byHand.stream([prefix(0, 0)]);
      },
    ],
    [
      "ends a stream without a byte",
      CloseCode.protocolViolation,
      (byHand) => {
        byHand.stream([]);
      },
    ],
    [
      "ends a stream in the middle of a frame",
      CloseCode.frameMalformed,
      (byHand) => {
        byHand.stream([prefix(0, 0), frame("cut short").subarray(0, 20)]);
      },
    ],
    [
      "sends what is no frame",
      CloseCode.frameMalformed,
      (byHand) => {
        byHand.stream([prefix(0, 0), Buffer.concat([Buffer.from([60, 0, 0, 0]), Buffer.alloc(60, 0xff)])]);
      },
    ],
    [
      "announces a frame above the limit",
      CloseCode.frameTooLarge,
      (byHand) => {
        byHand.stream([prefix(0, 0), Buffer.from([0, 0, 0, 0x10])], { open: true });
      },
    ],
    [
      "announces a frame of all that 32 bits can say",
      CloseCode.frameTooLarge,
      (byHand) => {
        byHand.stream([prefix(0, 0), Buffer.from([0xff, 0xff, 0xff, 0xff])], { open: true });
      },
    ],
    [
      "asks to close in too many words",
      CloseCode.protocolViolation,
      (byHand) => {
        byHand.stream([prefix(closeLane, 0), closeRequest([], "x".repeat(5_000))]);
      },
    ],
    [
      "asks to close with lanes that are not there",
      CloseCode.protocolViolation,
      (byHand) => {
        byHand.stream([prefix(closeLane, 0), closeRequest([[0, 1]], "").subarray(0, 8)]);
      },
    ],
    [
      "asks to close twice",
      CloseCode.protocolViolation,
      (byHand) => {
        for (let i = 0; i < 2; i++) byHand.stream([prefix(closeLane, 0), closeRequest([[0, 1]], "")]);
      },
    ],
  ];
  for (const [what, code, commit] of faults) {
    test(`and ${what} is closed with ${code}, and the listener goes on`, async (t) => {
      const byHand = await ByHand.open(t);
      commit(byHand);
      await byHand.assertRefused(t, code);
    });
  }

  test("and opens a bidirectional stream is told at once that there is none", async (t) => {
    const byHand = await ByHand.open(t);
    const stream = byHand.peer.openStream({ whenBlocked: "fail" });
    stream.write(prefix(0, 0));
    await until("it has failed", () => !stream.writable);
    byHand.stream([prefix(0, 0), frame("still here")]);
    await byHand.heard("still here");
  });
});
