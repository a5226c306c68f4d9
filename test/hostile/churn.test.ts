import assert from "node:assert/strict";
import { describe, type TestContext, test } from "node:test";
import { CloseCode, type CloseInfo, PolicyViolationError } from "millrace";
import { type QuicConnection, type QuicListener, type QuicListenOptions, quicCounters } from "millrace/quic";
import { loadAddon } from "#internal/native/addon.js";
import { Bystander } from "../kit/bystander.js";
import { deferred } from "../kit/deferred.js";
import { HandClient } from "../kit/hand_client.js";
import { Loopback, rawAlpn } from "../kit/loopback.js";
import { FrameType, frame, type ReadFrame, streamFrame } from "../kit/quic_frame.js";
import { until } from "../kit/until.js";

const loopback = await Loopback.make();

interface Victim {
  readonly listener: QuicListener;
  readonly bystander: Bystander;
  /** How many streams peers have opened, and how many of them have ended. */
  readonly streams: { opened: number; ended: number };
  /** How the attacker's connection ended. */
  readonly closed: Promise<CloseInfo>;
}

/** A listener that echoes, with an innocent client. */
async function victim(t: TestContext, options: Partial<QuicListenOptions> = {}): Promise<Victim> {
  const streams = { opened: 0, ended: 0 };
  const closed = deferred<CloseInfo>();
  const listener = await loopback.listenRaw(
    t,
    {
      stream: () => void streams.opened++,
      streamClose: () => void streams.ended++,
      data: (stream, chunk) => {
        if (stream.writable) stream.write(chunk);
      },
      close: (_, info) => closed.resolve(info),
    },
    options,
  );
  const bystander = await Bystander.open(t, loopback, listener.address.port);
  return { listener, bystander, streams, closed: closed.promise };
}

async function attacker(t: TestContext, { listener }: Victim): Promise<HandClient> {
  const client = await HandClient.open(listener.address.port, { alpn: rawAlpn });
  t.after(async () => {
    await client.send(frame(FrameType.applicationClose, [0, 0]));
    await client.close();
  });
  return client;
}

/** Native streams of the whole process but the two ends of the bystander's. */
function extraStreams(): number {
  return loadAddon().processCounters().streams - 2;
}

/** The id of the nth stream of a client (RFC 9000 section 2.1). */
function streamId(n: number, direction: "bidirectional" | "unidirectional" = "bidirectional"): number {
  return 4 * n + (direction === "unidirectional" ? 2 : 0);
}

const limit = 128;

describe("a flood of streams", () => {
  test("beyond the limit ends the connection: the protocol says so", async (t) => {
    const attacked = await victim(t);
    const client = await attacker(t, attacked);
    await client.send(streamFrame(streamId(limit), 0, Buffer.from("one too many")));
    const { by, code } = await attacked.closed;
    assert.deepEqual({ by, code }, { by: "transport", code: 4 }); // STREAM_LIMIT_ERROR
    assert.equal(Number(client.closed?.numbers[0]), 4);
    await attacked.bystander.assertUnharmed();
    await until("its streams are gone", () => extraStreams() === 0);
  });

  test("is held at the limit until the application lets go of one", async (t) => {
    const attacked = await victim(t);
    const connections: QuicConnection[] = [];
    const client = await loopback.connectRaw(t, attacked.listener.address.port);
    connections.push(client);
    for (let i = 0; i < 5_000; i++) client.openStream().write(Buffer.from("echo this"));
    await until("as many as allowed are open", () => attacked.streams.opened === limit + 1);
    await attacked.bystander.assertUnharmed();
    assert.equal(attacked.streams.opened, limit + 1);
    await client.close({ graceful: false });
    await until("nothing of it is left", () => extraStreams() === 0);
  });
});

/** Opens and aborts streams as fast as it is allowed to, one batch for each credit. */
class Aborter {
  sent = 0;
  #allowed = limit;

  constructor(client: HandClient) {
    client.onFrame = (read: ReadFrame) => {
      if (read.type === FrameType.maxStreamsBidi) this.#allowed = Number(read.numbers[0]);
    };
  }

  /** Until so many streams were aborted, or the victim has had enough. */
  async run(client: HandClient, count: number, abort: (id: number) => Buffer[]): Promise<void> {
    while (this.sent < count && client.closed === undefined) {
      await until("there is credit", () => this.#allowed > this.sent || client.closed !== undefined);
      for (const end = Math.min(this.#allowed, count); this.sent < end; this.sent++) {
        await client.send(...abort(streamId(this.sent)));
      }
    }
  }
}

describe("a flood of aborted streams", () => {
  const cancelled = 8;
  const kinds: readonly (readonly [what: string, abort: (id: number) => Buffer[]])[] = [
    [
      "RESET_STREAM",
      (id) => [
        frame(FrameType.resetStream, [id, cancelled, 0]),
        frame(FrameType.stopSending, [id, cancelled]),
      ],
    ],
    [
      "bytes, then RESET_STREAM",
      (id) => [
        streamFrame(id, 0, Buffer.from("ask")),
        frame(FrameType.resetStream, [id, cancelled, 3]),
        frame(FrameType.stopSending, [id, cancelled]),
      ],
    ],
    [
      "STOP_SENDING and FIN",
      (id) => [
        frame(FrameType.stopSending, [id, cancelled]),
        streamFrame(id, 0, Buffer.alloc(0), { fin: true }),
      ],
    ],
  ];
  for (const [what, abort] of kinds) {
    test(`by ${what} ends the connection when it is beyond the budget`, async (t) => {
      const attacked = await victim(t, { peerAbortsPerSecond: 20 });
      const client = await attacker(t, attacked);
      const failed = quicCounters().peersFailed;
      const aborter = new Aborter(client);
      await aborter.run(client, 100_000, abort);
      assert.ok(aborter.sent >= 200, `the budget of ten seconds lets ${aborter.sent} pass`);
      assert.ok(aborter.sent < 2_000, `${aborter.sent} came before the end`);
      const { by, code, error } = await attacked.closed;
      assert.deepEqual({ by, code }, { by: "local", code: CloseCode.policy });
      assert.ok(error instanceof PolicyViolationError);
      assert.equal(quicCounters().peersFailed, failed + 1);
      await attacked.bystander.assertUnharmed();
      await until("nothing of it is left", () => extraStreams() === 0);
      assert.equal(attacked.streams.opened - 1, attacked.streams.ended);
    });
  }

  test("without a budget costs no more than the streams that are allowed at once", async (t) => {
    const attacked = await victim(t, { peerAbortsPerSecond: 0 });
    const client = await attacker(t, attacked);
    let most = 0;
    const watch = setInterval(() => {
      most = Math.max(most, extraStreams());
    }, 1);
    t.after(() => clearInterval(watch));
    const aborter = new Aborter(client);
    await aborter.run(client, 5_000, kinds[0]![1]);
    assert.equal(client.closed, undefined);
    await until("all were seen and have ended", () => attacked.streams.ended === 5_000);
    assert.ok(most <= limit, `${most} native streams at once`);
    await attacked.bystander.assertUnharmed();
    await until("nothing of it is left", () => extraStreams() === 0);
  });

  test("that stays within the budget is borne", async (t) => {
    const attacked = await victim(t, { peerAbortsPerSecond: 20 });
    const client = await attacker(t, attacked);
    await new Aborter(client).run(client, 190, kinds[0]![1]);
    await until("all have ended", () => attacked.streams.ended === 190);
    await client.send(streamFrame(streamId(190), 0, Buffer.from("still here")));
    await until(
      "it is still echoed to",
      () => client.heard.has(FrameType.stream | 2) || client.heard.has(FrameType.stream),
    );
    assert.equal(client.closed, undefined);
  });

  test("that this side asked for does not count", async (t) => {
    let stopped = 0;
    const listener = await loopback.listenRaw(
      t,
      {
        stream: (stream) => {
          stream.stopSending(cancelled);
          stopped += 1;
        },
      },
      { peerAbortsPerSecond: 1 },
    );
    const client = await loopback.connectRaw(t, listener.address.port);
    for (let i = 0; i < 100; i++) {
      client.openStream({ direction: "unidirectional" }).write(Buffer.from("unwanted"));
    }
    await until(
      "all were stopped, and reset by our own engine",
      () => stopped === 100 && loadAddon().processCounters().streams === 0,
    );
    assert.equal(client.state, "open");
  });
});
