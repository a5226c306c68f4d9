import assert from "node:assert/strict";
import { test } from "node:test";
import { MemoryTicketStore, type QuicConnection } from "millrace/quic";
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
