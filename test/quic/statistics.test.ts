import assert from "node:assert/strict";
import { test } from "node:test";
import { MemoryTicketStore, type QuicConnection } from "millrace/quic";
import { createRelay } from "millrace/testing";
import { deferred } from "../kit/deferred.js";
import { Loopback } from "../kit/loopback.js";
import { earnTicket } from "../kit/tickets.js";
import { until } from "../kit/until.js";

const loopback = await Loopback.make();

test("a connection's statistics tell its handshake, round trip, bytes, packets, window and MTU", async (t) => {
  const accepted = deferred<QuicConnection>();
  const listener = await loopback.listenRaw(t, {
    open: (connection) => accepted.resolve(connection),
    data: (stream, chunk) => void stream.write(chunk),
  });
  let heard = 0;
  const client = await loopback.connectRaw(t, listener.address.port, {
    data: (_, chunk) => {
      heard += chunk.length;
    },
  });
  const fresh = await client.statistics();
  assert.ok(fresh.handshakeMs! >= fresh.initialFlightMs! && fresh.initialFlightMs! > 0);
  assert.ok(fresh.handshakeBytes.every((bytes) => bytes > 0));
  assert.deepEqual([fresh.versionNegotiated, fresh.retried, fresh.resumed], [false, false, false]);
  assert.equal(fresh.earlyDataAccepted, undefined);
  assert.equal(fresh.streamBytesSent, 0);

  client.openStream().write(new Uint8Array(300_000));
  await until("all was echoed", () => heard === 300_000);
  const [ours, theirs] = await Promise.all([client.statistics(), (await accepted.promise).statistics()]);
  for (const side of [ours, theirs]) {
    assert.equal(side.streamBytesReceived, 300_000);
    assert.ok(side.streamBytesSent >= 300_000);
    assert.ok(side.bytesSent > side.streamBytesSent && side.bytesReceived > side.streamBytesReceived);
    assert.ok(side.packetsSent >= side.retransmittablePacketsSent);
    assert.ok(side.retransmittablePacketsSent > 100 && side.packetsReceived > 100);
    assert.ok(side.acknowledgementsReceived > 0);
    assert.ok(side.minRoundTripMs > 0 && side.minRoundTripMs <= side.roundTripMs);
    assert.ok(side.roundTripMs <= side.maxRoundTripMs && side.roundTripVarianceMs > 0);
    assert.ok(side.congestionWindowBytes > 10_000);
    assert.ok(side.mtuBytes >= 1_248 && side.mtuBytes <= 1_500);
    assert.deepEqual([side.packetsUndecryptable, side.keyUpdates], [0, 0]);
  }
});

test("what a path does to packets is counted at the end that sees it", async (t) => {
  const accepted = deferred<QuicConnection>();
  let heard = 0;
  const listener = await loopback.listenRaw(t, {
    open: (connection) => accepted.resolve(connection),
    data: (_, chunk) => {
      heard += chunk.length;
    },
  });
  const relay = await createRelay({ target: listener.address, delayMs: 5 });
  t.after(() => relay.close());
  const client = await loopback.connectRaw(t, relay.address.port);
  const server = await accepted.promise;
  t.after(() => server.close({ graceful: false }));
  relay.set({ toServer: { reorderRate: 0.1, duplicateRate: 0.1 } });
  const stream = client.openStream();
  let written = 0;
  await until("some were held back for so long that they were taken for lost", async () => {
    if (stream.bytesQueued === 0) {
      stream.write(new Uint8Array(500_000));
      written += 500_000;
    }
    return (await client.statistics()).packetsSpuriouslyLost > 0;
  });
  await until("all has come", () => heard === written);
  const [ours, theirs] = await Promise.all([client.statistics(), server.statistics()]);
  assert.ok(ours.packetsSpuriouslyLost <= ours.packetsSuspectedLost);
  assert.ok(ours.congestionEvents > 0);
  assert.equal(ours.persistentCongestionEvents, 0);
  assert.ok(theirs.packetsReordered > 0 && theirs.packetsDuplicated > 0);
  assert.ok(theirs.packetsDropped >= theirs.packetsDuplicated);
  assert.deepEqual([ours.packetsReordered, ours.packetsDuplicated], [0, 0]);
});

test("a path that was gone for several probes is persistent congestion", async (t) => {
  const listener = await loopback.listenRaw(t, {});
  const relay = await createRelay({ target: listener.address });
  t.after(() => relay.close());
  const client = await loopback.connectRaw(t, relay.address.port);
  const stream = client.openStream();
  stream.write(new Uint8Array(1_000));
  await until("the path is known", () => stream.bytesQueued === 0);
  relay.block("toServer");
  const { dropped } = relay.counters.toServer;
  stream.write(new Uint8Array(1_000));
  const before = await client.statistics();
  // A packet and two for each probe timeout, of which two are borne.
  await until("probes were lost too", () => relay.counters.toServer.dropped >= dropped + 9);
  relay.unblock("toServer");
  await until("all is acknowledged", () => stream.bytesQueued === 0);
  const after = await client.statistics();
  assert.equal(before.persistentCongestionEvents, 0);
  assert.ok(after.persistentCongestionEvents > 0, JSON.stringify(after));
  assert.ok(after.persistentCongestionEvents <= after.congestionEvents);
  assert.ok(after.congestionWindowBytes < before.congestionWindowBytes);
});

test("calls at the same time share one answer, later ones see what has changed", async (t) => {
  const listener = await loopback.listenRaw(t, {});
  const client = await loopback.connectRaw(t, listener.address.port);
  const all = await Promise.all(Array.from({ length: 1_000 }, () => client.statistics()));
  assert.equal(new Set(all).size, 1);
  const stream = client.openStream();
  stream.write(new Uint8Array(5_000));
  await until("it is acknowledged", () => stream.bytesQueued === 0);
  assert.equal((await client.statistics()).streamBytesSent, 5_000);
});

test("the last statistics can be read when the connection has ended, whoever ended it", async (t) => {
  const accepted = deferred<QuicConnection>();
  const listener = await loopback.listenRaw(t, { open: (connection) => accepted.resolve(connection) });
  const client = await loopback.connectRaw(t, listener.address.port);
  const stream = client.openStream();
  stream.write(new Uint8Array(7_000));
  await until("it is acknowledged", () => stream.bytesQueued === 0);
  const server = await accepted.promise;
  const last = client.statistics(); // asked for before the end, answered before or at it
  await client.close();
  await server.closed;
  assert.equal((await last).streamBytesSent, 7_000);
  assert.equal((await client.statistics()).streamBytesSent, 7_000);
  assert.equal((await server.statistics()).streamBytesReceived, 7_000);
  assert.equal(await client.statistics(), await client.statistics());
});

for (const socket of ["own", "shared"] as const) {
  test(`resumption and early data are among the statistics, on a socket that is ${socket}`, async (t) => {
    const listener = await loopback.listenRaw(
      t,
      { data: (stream, chunk) => void stream.write(chunk), end: (stream) => stream.end() },
      { resumption: { earlyData: true } },
    );
    const store = new MemoryTicketStore();
    await earnTicket(t, loopback, listener.address.port, store);
    const answered = deferred();
    const client = await loopback.connectRaw(
      t,
      listener.address.port,
      { end: () => answered.resolve() },
      { socket, resumption: { store, earlyData: true } },
    );
    const stream = client.openStream({ idempotent: true });
    stream.write(new Uint8Array(100));
    stream.end();
    await answered.promise;
    const { resumed, earlyDataAccepted } = await client.statistics();
    assert.deepEqual([resumed, earlyDataAccepted], [true, true]);
    await client.close();
    assert.equal((await client.statistics()).earlyDataAccepted, true);
  });
}
