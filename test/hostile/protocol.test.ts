import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { before, describe, type TestContext, test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { type CloseInfo, ConnectionLostError, ProtocolViolationError } from "millrace";
import { type QuicListener, quicCounters } from "millrace/quic";
import { Bystander } from "../kit/bystander.js";
import { deferred } from "../kit/deferred.js";
import { HandClient } from "../kit/hand_client.js";
import { Loopback, rawAlpn } from "../kit/loopback.js";
import { residentBytes } from "../kit/memory.js";
import { FrameType, frame, streamFrame } from "../kit/quic_frame.js";
import { until } from "../kit/until.js";

const MiB = 1024 * 1024;
/**
 * What a flood of one connection may take. Its queue holds 16,384 datagrams (the connection's window by 1 KiB), each in
 * a block of 2 KiB, or 10 KiB and less where the kernel has joined some; what sends here is in the same process.
 */
const poolBytes = 256 * MiB;

let loopback: Loopback;

before(async () => {
  loopback = await Loopback.make();
});

interface Attack {
  readonly client: HandClient;
  readonly bystander: Bystander;
  readonly listener: QuicListener;
  /** How the attacker's connection ended. */
  readonly closed: Promise<CloseInfo>;
}

/** A connection, its handshake done, to a listener that echoes and has an innocent client too. */
async function attack(t: TestContext): Promise<Attack> {
  const closed = deferred<CloseInfo>();
  const listener = await loopback.listenRaw(
    t,
    {
      data: (stream, chunk) => {
        if (stream.writable) stream.write(chunk);
      },
      close: (_, info) => closed.resolve(info),
    },
    { idleTimeoutMs: 5_000 },
  );
  const bystander = await Bystander.open(t, loopback, listener.address.port);
  const client = await HandClient.open(listener.address.port, { alpn: rawAlpn });
  t.after(async () => {
    await client.send(frame(FrameType.applicationClose, [0, 0]));
    await client.close();
  });
  await until("the server knows of it", () => listener.connectionCount === 2);
  return { client, bystander, listener, closed: closed.promise };
}

describe("a peer that breaks RFC 9000", () => {
  const bytes = Buffer.from("abc");
  const faults: readonly (readonly [what: string, code: number, frames: Buffer[]])[] = [
    ["sends a frame that nobody knows", 0x7, [frame(0x3f)]],
    [
      "cuts a frame short",
      0x7,
      [...Array<Buffer>(8).fill(frame(FrameType.ping)), Buffer.from([FrameType.maxData])],
    ],
    ["claims more bytes than the packet has", 0x7, [frame(FrameType.stream | 2, [0, 1_000], bytes)]],
    ["sends beyond its credit", 0x3, [streamFrame(0, 2 ** 40, bytes)]],
    ["sends beyond the end of numbers", 0x3, [streamFrame(0, 2n ** 62n - 2n, bytes)]],
    [
      "changes where a stream ends",
      0x6,
      [streamFrame(0, 0, bytes, { fin: true }), streamFrame(0, 10, bytes)],
    ],
    [
      "resets a stream before what it has sent",
      0x6,
      [streamFrame(0, 0, bytes), frame(FrameType.resetStream, [0, 0, 1])],
    ],
    ["sends on a stream that we would have to open", 0xa, [streamFrame(1, 0, bytes)]],
    ["gives credit on a stream that it alone writes", 0x5, [frame(FrameType.maxStreamData, [2, 1_000])]],
    ["claims that the handshake is done", 0xa, [frame(FrameType.handshakeDone)]],
    ["acknowledges what was never sent", 0x7, [frame(FrameType.ack, [1_000_000, 0, 0, 0])]],
    ["allows more streams than there are ids", 0x4, [frame(FrameType.maxStreamsBidi, [2n ** 60n + 1n])]],
    [
      "names a connection id of 21 bytes",
      0x7,
      [frame(FrameType.newConnectionId, [1, 0], Buffer.concat([Buffer.from([21]), randomBytes(37)]))],
    ],
    [
      "retires a connection id before it came",
      0x7,
      [frame(FrameType.newConnectionId, [1, 2], Buffer.concat([Buffer.from([8]), randomBytes(24)]))],
    ],
  ];
  for (const [what, code, frames] of faults) {
    test(`and ${what} is closed with ${code}, which is counted`, async (t) => {
      const { client, bystander, closed, listener } = await attack(t);
      const errors = quicCounters().protocolErrors;
      await client.send(...frames);
      const { by, code: told, error } = await closed;
      assert.deepEqual({ by, code: told }, { by: "transport", code });
      assert.ok(error instanceof ConnectionLostError);
      await until("it is told", () => client.closed !== undefined);
      assert.equal(Number(client.closed!.numbers[0]), code);
      assert.equal(quicCounters().protocolErrors, errors + 1);
      await bystander.assertUnharmed();
      assert.equal(listener.connectionCount, 1);
    });
  }
});

describe("a flood of control frames", () => {
  const id = () => Buffer.concat([Buffer.from([8]), randomBytes(24)]);
  const floods: readonly (readonly [what: string, packets: number, make: (n: number) => Buffer[]])[] = [
    ["PING", 20_000, () => [frame(FrameType.ping)]],
    ["PING, forty a packet", 5_000, () => Array<Buffer>(40).fill(frame(FrameType.ping))],
    ["PATH_CHALLENGE", 10_000, () => [frame(FrameType.pathChallenge, [], randomBytes(8))]],
    [
      "PATH_CHALLENGE, a hundred a packet",
      500,
      () => Array.from({ length: 100 }, () => frame(FrameType.pathChallenge, [], randomBytes(8))),
    ],
    [
      "NEW_CONNECTION_ID, each retiring the last",
      5_000,
      (n) => [frame(FrameType.newConnectionId, [n + 1, n + 1], id())],
    ],
    ["MAX_DATA", 20_000, (n) => [frame(FrameType.maxData, [(1 << 25) + n])]],
    ["MAX_STREAMS", 20_000, (n) => [frame(FrameType.maxStreamsBidi, [1_000 + n])]],
    ["DATA_BLOCKED", 20_000, (n) => [frame(0x14, [n])]],
    ["STREAM_DATA_BLOCKED", 20_000, (n) => [frame(0x15, [0, n])]],
  ];
  for (const [what, packets, make] of floods) {
    test(`of ${what} gets no more packets than it sends, and harms nobody`, async (t) => {
      const { client, bystander, listener, closed } = await attack(t);
      await client.send(streamFrame(0, 0, Buffer.from("x")));
      const rss = residentBytes();
      const received = quicCounters().udpDatagramsReceived;
      const answered = client.datagramsReceived;
      const trips = bystander.roundTrips;
      let sent = 0;
      // So many, and more where the bystander was not served meanwhile.
      for (; (sent < packets || bystander.roundTrips === trips) && client.closed === undefined; sent++) {
        await client.send(...make(sent));
        if (sent % 64 === 0) {
          await until("the server has read on", () => quicCounters().udpDatagramsReceived >= received + sent);
          await turn(); // awaiting sends alone, and what holds already, never lets the bystander's events in
        }
      }
      await bystander.assertUnharmed();
      assert.ok(client.datagramsReceived - answered <= sent + 100);
      assert.ok(residentBytes() - rss < poolBytes);
      // It is still served, or was ended by the transport.
      if (listener.connectionCount === 1) assert.equal((await closed).by, "transport");
    });
  }

  test("that gives single bytes with gaps between them holds no more than the window", async (t) => {
    const { client, bystander } = await attack(t);
    const rss = residentBytes();
    const received = quicCounters().udpDatagramsReceived;
    const packets = 4_000;
    const byte = Buffer.from([1]);
    for (let n = 0; n < packets && client.closed === undefined; n++) {
      // Forty bytes, each between two that never come, on sixteen streams.
      const frames = Array.from({ length: 40 }, (_, i) =>
        streamFrame(4 * (n % 16), 2 * (((n >> 4) * 40 + i) % 100_000) + 1, byte),
      );
      await client.send(...frames);
      if (n % 64 === 0) {
        await until("the server has read on", () => quicCounters().udpDatagramsReceived >= received + n);
      }
    }
    await bystander.assertUnharmed();
    assert.ok(residentBytes() - rss < poolBytes);
  });
});

describe("a peer's code", () => {
  const codes = [0n, 1n, 255n, 2n ** 31n, 2n ** 32n, 2n ** 53n - 1n, 2n ** 62n - 1n];
  for (const code of codes) {
    test(`of ${code} is told as it came, for the connection and for streams`, async (t) => {
      const told: number[] = [];
      const closed = deferred<CloseInfo>();
      const listener = await loopback.listenRaw(t, {
        reset: (_, number) => void told.push(number),
        stopped: (_, number) => void told.push(number),
        close: (_, info) => closed.resolve(info),
      });
      const client = await HandClient.open(listener.address.port, { alpn: rawAlpn });
      t.after(() => client.close());
      await client.send(frame(FrameType.resetStream, [0, code, 0]), frame(FrameType.stopSending, [0, code]));
      await until("both were told", () => told.length === 2);
      await client.send(frame(FrameType.applicationClose, [code, 3], Buffer.from("bye")));
      const info = await closed.promise;
      // Beyond 2^53 - 1 JavaScript has not every number: the nearest.
      assert.deepEqual(told, [Number(code), Number(code)]);
      assert.deepEqual(info, { by: "peer", code: Number(code), reason: "bye" });
    });
  }

  test("that no framed peer can mean is its breach of protocol", async (t) => {
    for (const code of [1_000n, 2n ** 62n - 1n]) {
      const closed = deferred<CloseInfo>();
      const listener = await loopback.listen(t, { close: (_, info) => closed.resolve(info) });
      const client = await HandClient.open(listener.addresses[0]!.port, { alpn: "millrace/1" });
      t.after(() => client.close());
      await until("it is open", () => listener.connectionCount === 1);
      await client.send(frame(FrameType.applicationClose, [code, 0]));
      const { by, code: told, error } = await closed.promise;
      assert.deepEqual({ by, code: told }, { by: "peer", code: Number(code) });
      assert.ok(error instanceof ProtocolViolationError);
    }
  });

  test("of the transport is an end that the application did not ask for", async (t) => {
    const { client, closed } = await attack(t);
    await client.send(frame(FrameType.connectionClose, [0xa, 0, 0]));
    const { by, code, error } = await closed;
    assert.deepEqual({ by, code }, { by: "transport", code: 0xa });
    assert.ok(error instanceof ConnectionLostError);
  });
});
