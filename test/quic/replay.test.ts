import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { describe, type TestContext, test } from "node:test";
import * as quic from "millrace/quic";
import { createRelay } from "millrace/testing";
import { type EarlyRelay, earlyRelay } from "../kit/early_relay.js";
import { Loopback } from "../kit/loopback.js";
import { loopbackAddress, UdpAttacker } from "../kit/udp_attacker.js";
import { until } from "../kit/until.js";

const REPLAYS = 1_000;
/** At once: the server's socket buffer takes what so many send. */
const ATTACKERS = 10;
/** Enough for 0-RTT packets of their own, behind the one that carries the handshake. */
const EFFECT_BYTES = 4_000;

const loopback = await Loopback.make();

/** Counts how often each text was acted upon. */
class Effects {
  readonly counts = new Map<string, number>();
  readonly #texts = new WeakMap<quic.QuicStream, string>();
  readonly behaviour: quic.QuicBehaviour = {
    data: (stream, chunk) => {
      this.#texts.set(stream, (this.#texts.get(stream) ?? "") + Buffer.from(chunk));
    },
    end: (stream) => {
      const text = this.#texts.get(stream) ?? "";
      this.counts.set(text, this.of(text) + 1);
      stream.end();
    },
  };

  of(text: string): number {
    return this.counts.get(text) ?? 0;
  }
}

function listenEarly(
  t: TestContext,
  effects: Effects,
  decision: quic.EarlyDataDecision,
  ticketKeys?: readonly quic.TicketKey[],
): Promise<quic.QuicListener> {
  const resumption = ticketKeys === undefined ? { earlyData: true } : { earlyData: true, ticketKeys };
  const behaviour: quic.QuicBehaviour = { ...effects.behaviour, earlyData: () => decision };
  // Short, so that what never comes is not waited for long.
  const times = { handshakeTimeoutMs: 2_000, idleTimeoutMs: 2_000, initialRttMs: 20 };
  return loopback.listenRaw(t, behaviour, { resumption, ...times });
}

function order(connection: quic.QuicConnection, text: string): quic.QuicStream {
  const stream = connection.openStream({ idempotent: true });
  stream.write(Buffer.from(text));
  stream.end();
  return stream;
}

/** A client whose first flight is held on its way, and has overtaken it in a hundred copies. */
async function overtaken(t: TestContext, decision: quic.EarlyDataDecision) {
  const effects = new Effects();
  const listener = await listenEarly(t, effects, decision);
  const way = await earlyRelay(t, loopback, listener);
  const text = randomBytes(EFFECT_BYTES / 2).toString("hex");
  way.relay.blockUdp("toServer");
  const connection = await way.connectUnanswered();
  const stream = order(connection, text);
  const flight = await way.firstFlight(EFFECT_BYTES);
  await replay(flight, listener.address.port, 100);
  return { effects, way, text, connection, stream };
}

/** Sends the flight again and again, each time from another address; resolves when the server has given up on all. */
async function replay(flight: readonly Uint8Array[], port: number, times = REPLAYS): Promise<void> {
  const before = quic.quicCounters();
  for (let sent = 0; sent < times; sent += ATTACKERS) {
    const attackers = await Promise.all(
      Array.from({ length: ATTACKERS }, (_, i) => UdpAttacker.open(port, loopbackAddress(sent + i))),
    );
    for (const attacker of attackers) for (const datagram of flight) await attacker.send(datagram);
    const created = before.connectionsCreated + sent + ATTACKERS;
    await until(
      "the server takes each for a client",
      () => quic.quicCounters().connectionsCreated >= created,
    );
    await Promise.all(attackers.map((attacker) => attacker.close()));
  }
  const { connectionsAllocated } = before;
  await until(
    "none of them is there any more",
    () => quic.quicCounters().connectionsAllocated <= connectionsAllocated,
    60_000,
  );
}

/** A client's order that has been carried out, and the packets that carried it. */
async function captured(way: EarlyRelay, effects: Effects): Promise<{ text: string; flight: Uint8Array[] }> {
  const text = randomBytes(EFFECT_BYTES / 2).toString("hex");
  const connection = await way.connectUnanswered();
  const stream = order(connection, text);
  const flight = await way.firstFlight(EFFECT_BYTES);
  way.release();
  await stream.closed;
  assert.equal(connection.earlyDataAccepted, true);
  assert.equal(effects.of(text), 1);
  await connection.close();
  return { text, flight };
}

describe(`a first flight that is replayed ${REPLAYS} times`, () => {
  for (const decision of ["accept", "hold"] as const) {
    test(`has no second effect where early data waits for "${decision}"`, async (t) => {
      const effects = new Effects();
      const listener = await listenEarly(t, effects, decision);
      const way = await earlyRelay(t, loopback, listener);
      const { text, flight } = await captured(way, effects);
      await replay(flight, listener.address.port);
      assert.deepEqual([...effects.counts], [[text, 1]]);
    });
  }

  test("has no second effect after a restart, nor on another node with the same ticket keys", async (t) => {
    const effects = new Effects();
    const keys = [{ id: randomBytes(16), key: randomBytes(32) }];
    const listener = await listenEarly(t, effects, "accept", keys);
    const way = await earlyRelay(t, loopback, listener);
    const { text, flight } = await captured(way, effects);
    const otherNode = await listenEarly(t, effects, "accept", keys);
    await replay(flight, otherNode.address.port);
    await listener.close();
    const restarted = await listenEarly(t, effects, "accept", keys);
    await replay(flight, restarted.address.port);
    assert.deepEqual([...effects.counts], [[text, 1]]);
  });

  test("before the client's own arrives, has none where it is held, and then the client's has its one", async (t) => {
    const { effects, way, text, connection, stream } = await overtaken(t, "hold");
    assert.equal(effects.of(text), 0);
    way.relay.unblockUdp();
    await stream.closed;
    assert.equal(connection.earlyDataAccepted, false, "a copy has used up the ticket");
    assert.deepEqual([...effects.counts], [[text, 1]]);
  });

  test("before the client's own arrives, is taken once where it is accepted: what `accept` means", async (t) => {
    const { effects, way, text, stream } = await overtaken(t, "accept");
    await until("a copy is taken for the client's", () => effects.of(text) === 1);
    way.relay.unblockUdp();
    await stream.closed;
    assert.deepEqual([...effects.counts], [[text, 2]], "the copy's, and the client's after its handshake");
  });
});

test("a relay that repeats every datagram changes nothing", async (t) => {
  const effects = new Effects();
  const listener = await listenEarly(t, effects, "accept");
  const relay = await createRelay({ target: listener.address, duplicateRate: 1 });
  t.after(() => relay.close());
  const store = new quic.MemoryTicketStore();
  for (let i = 0; i < 5; i++) {
    const resumption = { store, earlyData: true };
    const connection = await loopback.connectRaw(t, relay.address.port, {}, { resumption });
    await order(connection, `order ${i}`).closed;
    await until("the server gives a ticket", () => store.size === 1);
    await connection.close();
  }
  assert.deepEqual([...effects.counts.values()], [1, 1, 1, 1, 1]);
});
