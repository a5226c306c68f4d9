import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { describe, type TestContext, test } from "node:test";
import { type QuicListener, quicCounters } from "millrace/quic";
import { loadAddon } from "#internal/native/addon.js";
import { Bystander } from "../kit/bystander.js";
import { Parameter, parameter, usualParameters } from "../kit/client_hello.js";
import { HandClient } from "../kit/hand_client.js";
import { Loopback, rawAlpn } from "../kit/loopback.js";
import { FrameType, frame } from "../kit/quic_frame.js";
import { initialDatagram } from "../kit/quic_initial.js";
import { minInitialBytes } from "../kit/quic_packet.js";
import { seededBytes, seededRandom } from "../kit/random.js";
import { UdpAttacker } from "../kit/udp_attacker.js";
import { until } from "../kit/until.js";

const loopback = await Loopback.make();

/** A listener that echoes, and an innocent client of it. */
async function victim(t: TestContext): Promise<{ listener: QuicListener; bystander: Bystander }> {
  const listener = await loopback.listenRaw(
    t,
    { data: (stream, chunk) => void stream.write(chunk) },
    { handshakeTimeoutMs: 1_000 },
  );
  return { listener, bystander: await Bystander.open(t, loopback, listener.address.port) };
}

async function attacker(t: TestContext, listener: QuicListener): Promise<UdpAttacker> {
  const udp = await UdpAttacker.open(listener.address.port);
  t.after(() => udp.close());
  return udp;
}

/** Sends what takes the kernel's buffer no further than the server empties it. */
async function sendAll(udp: UdpAttacker, datagrams: Iterable<Uint8Array>): Promise<number> {
  const before = quicCounters().udpDatagramsReceived;
  let sent = 0;
  for (const datagram of datagrams) {
    await udp.send(datagram);
    sent += 1;
    if (sent % 64 === 0) {
      await until("the server has read on", () => quicCounters().udpDatagramsReceived >= before + sent);
    }
  }
  await until("the server has read all", () => quicCounters().udpDatagramsReceived >= before + sent);
  return sent;
}

/** Nothing but the bystander's two ends is left. */
async function settled(): Promise<void> {
  await until("only the bystander's connection is left", () => {
    return loadAddon().processCounters().connections === 2 && quicCounters().connectionsAllocated === 2;
  });
}

describe("a listener under attack before any handshake", () => {
  test("drops random datagrams of every size, and answers none with more than it took", async (t) => {
    const { listener, bystander } = await victim(t);
    const udp = await attacker(t, listener);
    const random = seededRandom(1);
    const dropped = quicCounters().packetsDropped;
    let bytes = 0;
    const sent = await sendAll(
      udp,
      (function* () {
        for (let i = 0; i < 4_000; i++) {
          const datagram = seededBytes(random, 1 + random(1_472));
          bytes += datagram.length;
          yield datagram;
        }
      })(),
    );
    await bystander.assertUnharmed();
    // Of random long headers that are large enough nearly all have an unknown version: these are answered.
    assert.ok(quicCounters().packetsDropped - dropped >= sent / 2);
    const answered = udp.received.reduce((sum, { length }) => sum + length, 0);
    assert.ok(answered < bytes, `${answered} bytes for ${bytes}`);
    assert.equal(listener.connectionCount, 1);
    await settled();
  });

  test("answers packets of connections that are not there with stateless resets, each smaller than they", async (t) => {
    const { listener, bystander } = await victim(t);
    const udp = await attacker(t, listener);
    const { statelessResetsSent } = quicCounters();
    let sent = 0;
    let bytes = 0;
    await until("ten are answered", async () => {
      const packet = randomBytes(100 + sent);
      packet[0] = 0x40 | (packet[0]! & 0x3f); // a short header (RFC 9000 section 17.3.1)
      await udp.send(packet);
      sent += 1;
      bytes += packet.length;
      return udp.received.length >= 10;
    });
    assert.ok(quicCounters().statelessResetsSent - statelessResetsSent >= 10);
    const answered = udp.received.reduce((sum, { length }) => sum + length, 0);
    assert.ok(udp.received.length <= sent && answered < bytes, `${answered} bytes for ${bytes}`);
    await bystander.assertUnharmed();
    await settled();
  });

  test("gives nothing for an Initial cut short at any length", async (t) => {
    const { listener, bystander } = await victim(t);
    const udp = await attacker(t, listener);
    const created = quicCounters().connectionsCreated;
    const whole = initialDatagram({ alpn: rawAlpn });
    await sendAll(
      udp,
      Array.from({ length: whole.length - 1 }, (_, i) => whole.subarray(0, i + 1)),
    );
    await bystander.assertUnharmed();
    assert.equal(quicCounters().connectionsCreated, created);
    assert.deepEqual(udp.received, []);
  });

  test("makes no connection of thousands of Initials with a few bits turned", async (t) => {
    const { listener, bystander } = await victim(t);
    const udp = await attacker(t, listener);
    const random = seededRandom(2);
    const mutated = function* () {
      for (let i = 0; i < 5_000; i++) {
        const datagram = Buffer.from(initialDatagram({ alpn: rawAlpn }));
        for (let bits = 1 + random(4); bits > 0; bits--) datagram[random(datagram.length)]! ^= 1 << random(8);
        yield datagram;
      }
    };
    await sendAll(udp, mutated());
    await bystander.assertUnharmed();
    assert.equal(listener.connectionCount, 1);
    assert.ok(quicCounters().packetsUndecryptable > 0);
    await settled();
  });
});

describe("an unknown version", () => {
  /** A datagram of a version that nobody speaks, with connection ids of any length up to 255 bytes. */
  function unknownVersion(destination: Buffer, source: Buffer, bytes: number): Buffer {
    const datagram = Buffer.alloc(bytes, 0x55);
    datagram[0] = 0xc0;
    datagram.writeUInt32BE(0xbabababa, 1);
    let at = 5;
    for (const id of [destination, source]) {
      datagram[at] = id.length;
      id.copy(datagram, at + 1);
      at += 1 + id.length;
    }
    return datagram;
  }

  for (const [destinationBytes, sourceBytes] of [
    [8, 8],
    [8, 0],
    [20, 20],
    [0, 4],
  ] as const) {
    test(`is answered by those that are spoken, to ids of ${destinationBytes} and ${sourceBytes} bytes`, async (t) => {
      const { listener, bystander } = await victim(t);
      const udp = await attacker(t, listener);
      const destination = randomBytes(destinationBytes);
      const source = randomBytes(sourceBytes);
      await udp.send(unknownVersion(destination, source, minInitialBytes));
      const answer = await udp.answer();
      // RFC 9000 section 17.2.1: a long header, version 0, our ids the other way round, then the versions.
      assert.equal(answer[0]! & 0x80, 0x80);
      const head = Buffer.concat([
        Buffer.alloc(4),
        Buffer.from([source.length]),
        source,
        Buffer.from([destination.length]),
        destination,
      ]);
      assert.deepEqual(answer.subarray(1, 1 + head.length), head);
      const list = answer.subarray(1 + head.length);
      assert.equal(list.length % 4, 0);
      const versions = Array.from({ length: list.length / 4 }, (_, i) => list.readUInt32BE(4 * i));
      assert.ok(versions.includes(1), "version 1 is offered");
      // Section 6.3: what else is offered to the unknown is a reserved version, and never the one asked for.
      assert.ok(!versions.includes(0xbabababa) && !versions.includes(0));
      assert.ok(answer.length < minInitialBytes);
      await bystander.assertUnharmed();
      assert.equal(udp.received.length, 1);
    });
  }

  test("in a datagram too small for a client's first is not answered", async (t) => {
    const { listener, bystander } = await victim(t);
    const udp = await attacker(t, listener);
    const ids = [randomBytes(8), randomBytes(8)] as const;
    await sendAll(
      udp,
      Array.from({ length: 100 }, () => unknownVersion(...ids, 1_199)),
    );
    await bystander.assertUnharmed();
    assert.deepEqual(udp.received, []);
  });

  test("in a version negotiation packet is not answered, or two servers would talk for ever", async (t) => {
    const { listener, bystander } = await victim(t);
    const udp = await attacker(t, listener);
    const packet = unknownVersion(randomBytes(8), randomBytes(8), minInitialBytes);
    packet.writeUInt32BE(0, 1);
    await sendAll(
      udp,
      Array.from({ length: 100 }, () => packet),
    );
    await bystander.assertUnharmed();
    assert.deepEqual(udp.received, []);
  });
});

describe("transport parameters", () => {
  /** TRANSPORT_PARAMETER_ERROR, or a TLS alert (RFC 9000 section 20.1): msquic reads them inside of TLS. */
  const isRefusal = (code: number) => code === 8 || (code > 0x100 && code < 0x200);
  type Change = (usual: Buffer[], source: Buffer) => readonly Uint8Array[];
  const joined = (...parts: Uint8Array[]) => [Buffer.concat(parts)];
  const faults: readonly (readonly [what: string, change: Change])[] = [
    ["are missing", () => []],
    ["come twice as an extension", (usual) => [...joined(...usual), ...joined(...usual)]],
    ["name one twice", (usual) => joined(...usual, usual[2]!)],
    ["end in the middle of one", (usual) => joined(...usual, Buffer.from([0x0b, 0x04, 1]))],
    ["have a length beyond their end", (usual) => joined(...usual, Buffer.from("4abcbfffffff", "hex"))],
    ["have no source connection id", (usual) => joined(...usual.slice(1))],
    [
      "have another source connection id",
      (usual) => joined(parameter(Parameter.initialSourceConnectionId, randomBytes(8)), ...usual.slice(1)),
    ],
    [
      "claim a stateless reset token",
      (usual) => joined(...usual, parameter(Parameter.statelessResetToken, randomBytes(16))),
    ],
    [
      "claim an original destination",
      (usual) => joined(...usual, parameter(Parameter.originalDestinationConnectionId, randomBytes(8))),
    ],
    [
      "claim a retry",
      (usual) => joined(...usual, parameter(Parameter.retrySourceConnectionId, randomBytes(8))),
    ],
    [
      "claim a preferred address",
      (usual) => joined(...usual, parameter(Parameter.preferredAddress, randomBytes(49))),
    ],
    [
      "take no packet of 1,200 bytes",
      (usual) => joined(...usual, parameter(Parameter.maxUdpPayloadSize, 1_199)),
    ],
    [
      "have an acknowledgement exponent of 21",
      (usual) => joined(...usual, parameter(Parameter.ackDelayExponent, 21)),
    ],
    [
      "delay acknowledgements by 2^14 ms",
      (usual) => joined(...usual, parameter(Parameter.maxAckDelay, 1 << 14)),
    ],
    [
      "hold fewer than two connection ids",
      (usual) => joined(...usual, parameter(Parameter.activeConnectionIdLimit, 1)),
    ],
    [
      "allow more streams than there are ids",
      (usual) => joined(...usual.toSpliced(6, 1, parameter(Parameter.initialMaxStreamsBidi, 2n ** 60n + 1n))),
    ],
  ];
  for (const [what, change] of faults) {
    test(`that ${what} end the handshake, which is counted`, async (t) => {
      const { listener, bystander } = await victim(t);
      const failed = quicCounters().handshakesFailed;
      const client = await HandClient.open(listener.address.port, {
        alpn: rawAlpn,
        parameters: (source) => change(usualParameters(source), source),
      });
      t.after(() => client.close());
      assert.equal(client.closed?.type, FrameType.connectionClose);
      assert.ok(isRefusal(Number(client.closed.numbers[0])), `code ${client.closed.numbers[0]}`);
      await bystander.assertUnharmed();
      assert.equal(listener.connectionCount, 1);
      await settled();
      assert.equal(quicCounters().handshakesFailed, failed + 1);
    });
  }

  test("that are unknown are passed over, however many", async (t) => {
    const { listener } = await victim(t);
    const client = await HandClient.open(listener.address.port, {
      alpn: rawAlpn,
      parameters: (source) => [
        Buffer.concat([
          ...usualParameters(source),
          ...Array.from({ length: 100 }, (_, i) => parameter(0x1b + 31 * (i + 1), randomBytes(i % 20))),
        ]),
      ],
    });
    t.after(() => client.close());
    assert.equal(client.connected, true);
    assert.equal(client.closed, undefined);
    await client.send(frame(FrameType.applicationClose, [0, 0]));
    await settled();
  });

  test("of 60,000 bytes are refused before they are held", async (t) => {
    const { listener, bystander } = await victim(t);
    const client = await HandClient.open(listener.address.port, {
      alpn: rawAlpn,
      parameters: (source) => [
        Buffer.concat([...usualParameters(source), parameter(0x1b + 31, Buffer.alloc(60_000))]),
      ],
    });
    t.after(() => client.close());
    assert.equal(client.closed?.type, FrameType.connectionClose);
    await bystander.assertUnharmed();
    await settled();
  });
});
