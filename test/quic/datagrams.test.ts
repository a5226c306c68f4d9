import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import type * as quic from "millrace/quic";
import { createRelay } from "millrace/testing";
import {
  AbortedError,
  ConnectionClosedError,
  InvalidArgumentError,
  ReaderLockedError,
} from "#internal/errors.js";
import { deferred } from "../kit/deferred.js";
import { Loopback } from "../kit/loopback.js";
import { openPair } from "../kit/pair.js";
import { until } from "../kit/until.js";

const MiB = 1024 * 1024;

let loopback: Loopback;
before(async () => {
  loopback = await Loopback.make();
});

/** Collects the outcomes of datagrams by their tags. */
function collected() {
  const outcomes = new Map<number, quic.OutcomeOfDatagram[]>();
  const behaviour: quic.QuicBehaviour = {
    datagramOutcome(_, tag, outcome) {
      outcomes.set(tag, [...(outcomes.get(tag) ?? []), outcome]);
    },
  };
  return { outcomes, behaviour };
}

/** A client whose datagrams' outcomes are collected, by tag. */
async function told(t: Parameters<typeof openPair>[1], server: Parameters<typeof openPair>[2] = {}) {
  const { outcomes, behaviour } = collected();
  return { ...(await openPair(loopback, t, server, { behaviour })), outcomes };
}

/** The same through a relay. */
async function throughRelay(t: Parameters<typeof openPair>[1]) {
  const listener = await loopback.listenRaw(t, {});
  const relay = await createRelay({ target: listener.address });
  t.after(() => relay.close());
  const { outcomes, behaviour } = collected();
  return { relay, client: await loopback.connectRaw(t, relay.address.port, behaviour), outcomes };
}

describe("a datagram with a tag", () => {
  test("was sent, and then acknowledged; one without is not reported", async (t) => {
    const { client, outcomes } = await told(t);
    client.sendDatagram(new Uint8Array(10), { tag: 0 });
    client.sendDatagram(new Uint8Array(10));
    client.sendDatagram(new Uint8Array(0), { tag: 0xffff_ffff });
    const both = ["sent", "acknowledged"];
    await until("both were acknowledged", () => {
      client.sendDatagram(new Uint8Array(1)); // a loss is found when something else is acknowledged
      return [...outcomes.values()].flat().length === 4;
    });
    assert.deepEqual(
      [...outcomes],
      [
        [0, both],
        [0xffff_ffff, both],
      ],
    );
  });

  test("gets one last word each, in a burst of a thousand", async (t) => {
    const { client, outcomes } = await told(t);
    for (let tag = 0; tag < 1_000; tag++) client.sendDatagram(new Uint8Array(100), { tag });
    const isLast = (outcome: quic.OutcomeOfDatagram) => outcome !== "sent";
    const last = () => [...outcomes.values()].flat().filter(isLast).length;
    await until("all are decided", () => last() === 1_000);
    for (const each of outcomes.values()) assert.equal(each.filter(isLast).length, 1);
  });

  test("that the path loses was sent and then lost, once each, and the next is acknowledged", async (t) => {
    const { relay, client, outcomes } = await throughRelay(t);
    relay.set({ toServer: { lossRate: 1 } });
    const before = relay.counters.toServer.receivedBytes;
    const tags = Array.from({ length: 10 }, (_, tag) => tag);
    for (const tag of tags) client.sendDatagram(new Uint8Array(100), { tag });
    // What has left may still wait for the relay to read it.
    const isThere = () => relay.counters.toServer.receivedBytes >= before + 10 * 100;
    await until("all have left, and are lost", () => outcomes.size === 10 && isThere());
    const { dropped } = relay.counters.toServer;
    assert.ok(dropped > 0);
    relay.set({ toServer: { lossRate: 0 } });
    client.sendDatagram(new Uint8Array(100), { tag: 10 });
    await until("all are decided", () => {
      client.sendDatagram(new Uint8Array(1)); // a loss is found when something later is acknowledged
      return [...outcomes.values()].flat().length >= 22;
    });
    await client.close();
    for (const tag of tags) assert.deepEqual(outcomes.get(tag), ["sent", "lost"]);
    assert.deepEqual(outcomes.get(10), ["sent", "acknowledged"]);
  });

  test("is cancelled where the connection ends before it was sent", async (t) => {
    const { relay, client, outcomes } = await throughRelay(t);
    // Nothing is acknowledged, so most of them wait for the congestion window.
    relay.block();
    for (let tag = 0; tag < 200; tag++) client.sendDatagram(new Uint8Array(1_000), { tag });
    await until("the window is full", () => outcomes.size > 0);
    await client.close({ graceful: false });
    const all = [...outcomes.values()].flat();
    assert.ok(all.includes("cancelled") && !all.includes("acknowledged"), String(all));
    for (const each of outcomes.values()) assert.ok(each.filter((outcome) => outcome !== "sent").length <= 1);
  });

  test("has a tag of 32 bits", async (t) => {
    const { client } = await openPair(loopback, t);
    for (const tag of [-1, 2 ** 32, 0.5, "1", null, {}]) {
      assert.throws(
        () => client.sendDatagram(new Uint8Array(1), { tag: tag as number }),
        InvalidArgumentError,
      );
    }
  });
});

test("the largest datagram grows as the path's MTU is found, and the behaviour is told", async (t) => {
  const limits: number[] = [];
  const { client } = await openPair(
    loopback,
    t,
    {},
    {
      behaviour: {
        datagramLimit(connection, limit) {
          assert.equal(connection.maxDatagramBytes, limit);
          limits.push(limit);
        },
      },
    },
  );
  const first = client.maxDatagramBytes;
  await until("it grew", () => client.maxDatagramBytes > first);
  assert.equal(limits.at(-1), client.maxDatagramBytes);
});

test("datagrams are blocked and dropped like writes, empty ones too, and drain says when to go on", async (t) => {
  const drained = deferred();
  const { client } = await openPair(
    loopback,
    t,
    {},
    { behaviour: { datagramDrain: () => drained.resolve() }, options: { highWaterMarkBytes: 6_400 } },
  );
  const results: string[] = [];
  for (let i = 0; i < 150; i++) results.push(client.sendDatagram(new Uint8Array(0)));
  assert.equal(results.indexOf("blocked"), 99);
  assert.equal(results.lastIndexOf("sent"), 98);
  assert.equal(results.at(-1), "dropped");
  await drained.promise;
  assert.equal(client.sendDatagram(new Uint8Array(0)), "sent");
});

test("an answer carries the acknowledgement of what it answers, in no packet of its own", async (t) => {
  const rounds = 100;
  const burst = 4; // each fills a packet
  // What is answered later than that is acknowledged before (RFC 9000 section 13.2.1: 25 ms), and rightly.
  const soonMs = 20;
  let answers = 0;
  let complete = deferred();
  const { client, server } = await openPair(
    loopback,
    t,
    { behaviour: { datagram: (connection, datagram) => connection.sendDatagram(datagram) } },
    {
      behaviour: {
        datagram() {
          answers += 1;
          if (answers % burst === 0) complete.resolve();
        },
      },
    },
  );
  const counts = async () => {
    const [asking, answering] = await Promise.all([client.statistics(), server.statistics()]);
    return {
      asked: asking.retransmittablePacketsSent,
      /** In packets of their own. */
      acknowledged: answering.packetsSent - answering.retransmittablePacketsSent,
    };
  };
  let acknowledged = 0;
  for (let round = 0; round < rounds; ) {
    const before = await counts();
    const begun = performance.now();
    complete = deferred();
    for (let i = 0; i < burst; i++) client.sendDatagram(new Uint8Array(1_000));
    await complete.promise;
    const isSoon = performance.now() - begun <= soonMs;
    const after = await counts();
    // A probe, of who has waited for long or of an MTU, is acknowledged by itself.
    if (!isSoon || after.asked - before.asked !== burst) continue;
    acknowledged += after.acknowledged - before.acknowledged;
    round += 1;
  }
  // One a round is what it takes to acknowledge every second packet at once.
  assert.ok(acknowledged < rounds / 2, `${acknowledged} in ${rounds} rounds`);
});

describe("iterating over datagrams", () => {
  test("gives each, to keep, until the connection ends", async (t) => {
    const { client, server } = await openPair(loopback, t);
    const heard: string[] = [];
    const reading = (async () => {
      for await (const datagram of server.datagrams()) heard.push(Buffer.from(datagram).toString());
    })();
    for (let i = 0; i < 20; i++) {
      client.sendDatagram(Buffer.from(String(i)));
      await until("it came", () => heard.length === i + 1);
    }
    assert.deepEqual(
      heard,
      Array.from({ length: 20 }, (_, i) => String(i)),
    );
    await client.close();
    await reading;
    assert.equal(server.datagramsDropped, 0);
  });

  test("drops the oldest beyond maxQueued, and counts them", async (t) => {
    const { client, server } = await openPair(loopback, t);
    const datagrams = server.datagrams({ maxQueued: 3 });
    for (let i = 0; i < 10; i++) {
      client.sendDatagram(Buffer.from([i]));
      await until("it came", () => server.datagramsDropped === Math.max(0, i - 2) || i < 3);
    }
    await until("seven were dropped", () => server.datagramsDropped === 7);
    for (const expected of [7, 8, 9]) assert.equal((await datagrams.next()).value?.[0], expected);
    const waiting = datagrams.next();
    client.sendDatagram(Buffer.from([11]));
    assert.equal((await waiting).value?.[0], 11);
    assert.equal(server.datagramsDropped, 7);
  });

  test("ends by its signal, and can be begun again", async (t) => {
    const { client, server } = await openPair(loopback, t);
    const controller = new AbortController();
    const datagrams = server.datagrams({ signal: controller.signal });
    assert.throws(() => server.datagrams(), ReaderLockedError);
    const waiting = datagrams.next();
    controller.abort();
    await assert.rejects(waiting, AbortedError);
    assert.equal((await datagrams.next()).done, true);
    const again = server.datagrams();
    client.sendDatagram(new Uint8Array(4));
    assert.equal((await again.next()).value?.length, 4);
    await again.return?.();
    assert.equal((await again.next()).done, true);
  });

  test("is refused where the behaviour reads them, and bad options are", async (t) => {
    const { client, server } = await openPair(loopback, t, { behaviour: { datagram: () => {} } });
    assert.throws(() => server.datagrams(), ReaderLockedError);
    for (const maxQueued of [0, -1, 1.5, 2_000_000, "9"]) {
      assert.throws(() => client.datagrams({ maxQueued: maxQueued as number }), InvalidArgumentError);
    }
    await client.close();
    assert.equal((await client.datagrams().next()).done, true);
    assert.throws(() => client.sendDatagram(new Uint8Array(1)), ConnectionClosedError);
  });
});

test("a flood of datagrams leaves a stream of the same connection whole and moving", async (t) => {
  let received = 0;
  const ended = deferred();
  const { client, server } = await openPair(
    loopback,
    t,
    {
      behaviour: {
        data: (_, chunk) => {
          received += chunk.length;
        },
        end: () => ended.resolve(),
        datagram: () => {},
      },
    },
    { options: { highWaterMarkBytes: 32 * MiB } },
  );
  const stream = client.openStream({ direction: "unidirectional" });
  for (let i = 0; i < 16; i++) stream.write(new Uint8Array(MiB / 2));
  stream.end();
  let flooding = true;
  const datagram = new Uint8Array(1_000);
  let sent = 0;
  const flood = () => {
    if (!flooding) return;
    for (let i = 0; i < 500; i++) if (client.sendDatagram(datagram) !== "dropped") sent += 1;
    setImmediate(flood);
  };
  flood();
  await ended.promise;
  flooding = false;
  assert.equal(received, 8 * MiB);
  assert.ok(sent > 1_000, `${sent} datagrams`);
  assert.equal(server.state, "open");
});
