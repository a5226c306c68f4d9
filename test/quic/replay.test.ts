import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { describe, type TestContext, test } from "node:test";
import * as quic from "millrace/quic";
import { createRelay } from "millrace/testing";
import { earlyRelay } from "../kit/early_relay.js";
import { Loopback } from "../kit/loopback.js";
import { captured, EFFECT_BYTES, order, replay } from "../kit/replay.js";
import { until } from "../kit/until.js";

const REPLAYS = 1_000;

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

/** A client whose first flight is held on its way, and has overtaken it in a hundred copies. */
async function overtaken(t: TestContext, decision: quic.EarlyDataDecision) {
  const effects = new Effects();
  const listener = await listenEarly(t, effects, decision);
  const way = await earlyRelay(t, loopback, listener);
  const text = randomBytes(EFFECT_BYTES / 2).toString("hex");
  way.relay.block("toServer");
  const connection = await way.connectUnanswered();
  const stream = order(connection, text);
  const flight = await way.firstFlight(EFFECT_BYTES);
  await replay(flight, listener.address.port, 100);
  return { effects, way, text, connection, stream };
}

describe(`a first flight that is replayed ${REPLAYS} times`, () => {
  for (const decision of ["accept", "hold"] as const) {
    test(`has no second effect where early data waits for "${decision}"`, async (t) => {
      const effects = new Effects();
      const listener = await listenEarly(t, effects, decision);
      const way = await earlyRelay(t, loopback, listener);
      const { text, flight } = await captured(way, (text) => effects.of(text));
      await replay(flight, listener.address.port, REPLAYS);
      assert.deepEqual([...effects.counts], [[text, 1]]);
    });
  }

  test("has no second effect after a restart, nor on another node with the same ticket keys", async (t) => {
    const effects = new Effects();
    const keys = [{ id: randomBytes(16), key: randomBytes(32) }];
    const listener = await listenEarly(t, effects, "accept", keys);
    const way = await earlyRelay(t, loopback, listener);
    const { text, flight } = await captured(way, (text) => effects.of(text));
    const otherNode = await listenEarly(t, effects, "accept", keys);
    await replay(flight, otherNode.address.port, REPLAYS);
    await listener.close();
    const restarted = await listenEarly(t, effects, "accept", keys);
    await replay(flight, restarted.address.port, REPLAYS);
    assert.deepEqual([...effects.counts], [[text, 1]]);
  });

  test("before the client's own arrives, has none where it is held, and then the client's has its one", async (t) => {
    const { effects, way, text, connection, stream } = await overtaken(t, "hold");
    assert.equal(effects.of(text), 0);
    way.relay.unblock();
    await stream.closed;
    assert.equal(connection.earlyDataAccepted, false, "a copy has used up the ticket");
    assert.deepEqual([...effects.counts], [[text, 1]]);
  });

  test("before the client's own arrives, is taken once where it is accepted: what `accept` means", async (t) => {
    const { effects, way, text, stream } = await overtaken(t, "accept");
    await until("a copy is taken for the client's", () => effects.of(text) === 1);
    way.relay.unblock();
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
