import assert from "node:assert/strict";
import { fork } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { before, describe, type TestContext, test } from "node:test";
import { ConnectionRefusedError } from "millrace";
import { configureEngine, type QuicListener, quicCounters } from "millrace/quic";
import { Bystander } from "../kit/bystander.js";
import { Loopback, rawAlpn } from "../kit/loopback.js";
import { initialDatagram } from "../kit/quic_initial.js";
import { type PacketHeader, PacketType, readHeaders } from "../kit/quic_packet.js";
import { loopbackAddress, UdpAttacker } from "../kit/udp_attacker.js";
import { until } from "../kit/until.js";
import type { NodeTask } from "./retry_node.js";

const rotationMs = 2_000;
const key = randomBytes(32);

let loopback: Loopback;

before(async () => {
  loopback = await Loopback.make();
  await configureEngine({ retry: "always", retryTokens: { key, rotationMs } });
});

interface Proof {
  readonly udp: UdpAttacker;
  /** The Retry packet (RFC 9000 section 17.2.5) that the server gave. */
  readonly retry: PacketHeader;
}

async function open(t: TestContext, port: number, source?: string): Promise<UdpAttacker> {
  const udp = await UdpAttacker.open(port, source);
  t.after(() => udp.close());
  return udp;
}

async function firstPacket(udp: UdpAttacker, from = 0): Promise<PacketHeader> {
  return readHeaders(await udp.answer(from), 8)[0]!;
}

/** Asks for a connection, and is asked to prove its address. */
async function proof(t: TestContext, port: number, source?: string): Promise<Proof> {
  const udp = await open(t, port, source);
  await udp.send(initialDatagram({ alpn: rawAlpn }));
  const retry = await firstPacket(udp);
  assert.equal(retry.type, PacketType.retry);
  assert.ok(retry.token.length > 0);
  return { udp, retry };
}

function withToken({ retry }: Proof, token: Uint8Array, destination: Uint8Array = retry.source): Buffer {
  return initialDatagram({ alpn: rawAlpn, destination, token });
}

/** A listener that echoes, and a client of it that has proved its address. */
async function victim(
  t: TestContext,
): Promise<{ listener: QuicListener; bystander: Bystander; port: number }> {
  const listener = await loopback.listenRaw(
    t,
    { data: (stream, chunk) => void stream.write(chunk) },
    { handshakeTimeoutMs: 1_000 },
  );
  const { port } = listener.address;
  return { listener, port, bystander: await Bystander.open(t, loopback, port) };
}

/** Another server, with a process of its own; resolves with its port. */
async function otherNode(t: TestContext, nodeKey: Uint8Array): Promise<number> {
  const task: NodeTask = { key: [...nodeKey], rotationMs, tls: loopback.identity, alpn: rawAlpn };
  const child = fork(new URL("./retry_node.js", import.meta.url), [JSON.stringify(task)]);
  t.after(() => child.kill());
  const [port] = await once(child, "message");
  return port as number;
}

/** After these datagrams no handshake has begun, and nobody got more than he sent. */
async function assertNotAccepted(udp: UdpAttacker, datagrams: readonly Buffer[]): Promise<void> {
  const before = quicCounters();
  const answeredBefore = udp.received.length;
  for (const datagram of datagrams) await udp.send(datagram);
  await until("the server has read all", () => {
    return quicCounters().udpDatagramsReceived >= before.udpDatagramsReceived + datagrams.length;
  });
  // Answers are made on another thread: that to the last comes behind those to the others. An address gets one in
  // 100 ms.
  await until("the last is asked to prove its address", () => {
    void udp.send(initialDatagram({ alpn: rawAlpn }));
    return udp.received.length > answeredBefore;
  });
  assert.equal(quicCounters().connectionsCreated, before.connectionsCreated);
  for (const answer of udp.received.slice(answeredBefore)) {
    assert.equal(readHeaders(answer, 8)[0]!.type, PacketType.retry);
    assert.ok(answer.length < datagrams[0]!.length);
  }
}

describe("a listener that lets every client prove its address", () => {
  test("gives no memory before the proof, and takes it from the one it was given to", async (t) => {
    const { port, bystander } = await victim(t);
    const created = quicCounters().connectionsCreated;
    const given = await proof(t, port);
    assert.equal(quicCounters().connectionsCreated, created);
    await given.udp.send(withToken(given, given.retry.token));
    assert.equal((await firstPacket(given.udp, 1)).type, PacketType.initial);
    assert.equal(quicCounters().connectionsCreated, created + 1);
    await bystander.assertUnharmed();
  });

  test("takes no token with any of its bits turned, cut short, lengthened or made up", async (t) => {
    const { port, bystander } = await victim(t);
    const given = await proof(t, port);
    const good = given.retry.token;
    // The last bytes are padding, which nothing seals and nothing reads.
    const paddingBytes = 4;
    const forged: Buffer[] = Array.from({ length: (good.length - paddingBytes) * 8 }, (_, bit) => {
      const token = Buffer.from(good);
      token[bit >> 3]! ^= 1 << (bit & 7);
      return token;
    });
    for (let bytes = 1; bytes < good.length; bytes += 7) forged.push(good.subarray(0, bytes));
    forged.push(Buffer.concat([good, Buffer.alloc(1)]), randomBytes(good.length), Buffer.alloc(700));
    await assertNotAccepted(
      given.udp,
      forged.map((token) => withToken(given, token)),
    );
    await bystander.assertUnharmed();
  });

  test("takes a token from no other address, port or connection", async (t) => {
    const { port, bystander } = await victim(t);
    const given = await proof(t, port, "127.0.0.2");
    const token = given.retry.token;
    for (const source of ["127.0.0.3", "127.0.0.2"]) {
      await assertNotAccepted(await open(t, port, source), [withToken(given, token)]);
    }
    await assertNotAccepted(given.udp, [withToken(given, token, randomBytes(given.retry.source.length))]);
    await bystander.assertUnharmed();
  });

  test("takes the tokens of another server that has its key, and of no other", async (t) => {
    const { port } = await victim(t);
    const [friend, stranger] = await Promise.all([otherNode(t, key), otherNode(t, randomBytes(32))]);
    for (const [node, answer] of [
      [friend, PacketType.initial],
      [stranger, PacketType.retry],
    ] as const) {
      const given = await proof(t, port);
      await given.udp.send(withToken(given, given.retry.token), node);
      // The stranger drops it, and answers what comes without a token.
      if (node === stranger) await given.udp.send(initialDatagram({ alpn: rawAlpn }), node);
      assert.equal((await firstPacket(given.udp, 1)).type, answer);
    }
  });

  test("takes no token that is older than two rotations of its key", async (t) => {
    const { port, bystander } = await victim(t);
    const given = await proof(t, port);
    const rotation = () => Math.floor(Date.now() / rotationMs);
    const begun = rotation();
    await until("two rotations have passed", () => rotation() >= begun + 3);
    await assertNotAccepted(given.udp, [withToken(given, given.retry.token)]);
    await bystander.assertUnharmed();
  });
});

describe("hosts that prove their address, and go no further", () => {
  const limit = 60;
  const innocents = 20;
  const handshakeTimeoutMs = 5_000;

  test("are refused beyond the listener's limit: the established live, and newcomers come in after them", async (t) => {
    const listener = await loopback.listenRaw(
      t,
      { data: (stream, chunk) => void stream.write(chunk) },
      { maxConnections: limit, handshakeTimeoutMs },
    );
    const { port } = listener.address;
    const bystanders = await Promise.all(
      Array.from({ length: innocents }, () => Bystander.open(t, loopback, port)),
    );
    const before = quicCounters();
    const prove = async (host: number) => {
      const udp = await open(t, port, loopbackAddress(host));
      // Sent again, as every client does: buffers are full.
      await until("it is asked to prove its address", () => {
        void udp.send(initialDatagram({ alpn: rawAlpn }));
        return udp.received.length > 0;
      });
      const given = { udp, retry: await firstPacket(udp) };
      await until("its proof is answered", () => {
        void udp.send(withToken(given, given.retry.token));
        return udp.received.some((datagram) => readHeaders(datagram, 8)[0]!.type === PacketType.initial);
      });
    };
    const begun = performance.now();
    for (let host = 0; host < 200; host += 20) {
      await Promise.all(Array.from({ length: 20 }, (_, n) => prove(host + n)));
      for (const bystander of bystanders) await bystander.assertUnharmed();
    }
    // Those that were let in stand still until their handshake's time is over; others come in then.
    const times = 1 + (performance.now() - begun) / handshakeTimeoutMs;
    const refused = quicCounters().handshakesRefused - before.handshakesRefused;
    assert.ok(refused >= 200 - 2 * (limit - innocents) * times, `${refused} were refused`);
    assert.ok(quicCounters().retriesSent - before.retriesSent >= 200);
    assert.ok(listener.connectionCount <= limit, `${listener.connectionCount} connections`);

    const newcomer = async () => {
      await until("one is let in", async () => {
        try {
          await loopback.connectRaw(t, port);
          return true;
        } catch (error) {
          if (error instanceof ConnectionRefusedError) return false;
          throw error;
        }
      });
    };
    await Promise.all(Array.from({ length: innocents }, newcomer));
    for (const bystander of bystanders) await bystander.assertUnharmed();
    await until("nothing of the others is left", () => listener.connectionCount === 2 * innocents);
  });
});
