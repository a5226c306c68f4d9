import assert from "node:assert/strict";
import { test } from "node:test";
import type * as quic from "millrace/quic";
import { createRelay } from "millrace/testing";
import { deferred } from "../kit/deferred.js";
import { Loopback } from "../kit/loopback.js";
import { until } from "../kit/until.js";

const MiB = 1024 * 1024;

const loopback = await Loopback.make();

test("a path that begins to swallow large packets goes back to small ones, and loses nothing", async (t) => {
  const accepted = deferred<quic.QuicConnection>();
  let taken = 0;
  const ended = deferred();
  const listener = await loopback.listenRaw(t, {
    open: (connection) => accepted.resolve(connection),
    data: (_, chunk) => {
      taken += chunk.length;
    },
    end: () => ended.resolve(),
  });
  // The line is slow enough for the transfer to be under way when it changes.
  const relay = await createRelay({ target: listener.address, bytesPerSecond: 20 * MiB });
  t.after(() => relay.close());
  const total = 8 * MiB;
  let sent = 0;
  const client = await loopback.connectRaw(t, relay.address.port, { drain: (stream) => pump(stream) });
  const pump = (stream: quic.QuicStream) => {
    while (sent < total) {
      const result = stream.write(new Uint8Array(64 * 1024));
      if (result === "dropped") return;
      sent += 64 * 1024;
      if (result === "blocked") return;
    }
    stream.end();
  };
  pump(client.openStream());
  await until("it uses packets of the largest size", () => client.maxDatagramBytes > 1_400);
  await until("some has come", () => taken > MiB);
  // What an IPv4 link with an MTU of 1280 carries.
  relay.set({ maxDatagramBytes: 1_280 - 28 });
  await ended.promise;
  assert.equal(taken, total);
  assert.ok(relay.counters.toServer.droppedBy.size > 0);
  const { mtuBytes } = await client.statistics();
  assert.ok(mtuBytes >= 1_248 && mtuBytes <= 1_280, `${mtuBytes}`);
  await until("the limit of datagrams has followed", () => client.maxDatagramBytes < 1_252);
  const server = await accepted.promise;
  assert.ok((await server.statistics()).bytesReceived >= total);
  await server.close();
});

test("it does so where small packets went before the large ones", async (t) => {
  const accepted = deferred<quic.QuicConnection>();
  let taken = 0;
  const listener = await loopback.listenRaw(t, {
    open: (connection) => accepted.resolve(connection),
    data: (_, chunk) => {
      taken += chunk.length;
    },
  });
  const relay = await createRelay({ target: listener.address });
  t.after(() => relay.close());
  const client = await loopback.connectRaw(t, relay.address.port);
  const server = await accepted.promise;
  t.after(() => server.close({ graceful: false }));
  for (const side of [client, server]) {
    await until("it uses packets of the largest size", () => side.maxDatagramBytes > 1_400);
  }
  relay.set({ maxDatagramBytes: 1_280 - 28 });
  // The client acknowledges this; nobody acknowledges an acknowledgement, which stays the oldest packet that it sent.
  const { forwarded } = relay.counters.toServer;
  const asked = server.openStream({ direction: "unidirectional" });
  asked.write(Buffer.from("more"));
  asked.end();
  await asked.closed;
  assert.ok(relay.counters.toServer.forwarded > forwarded);
  client.openStream().write(new Uint8Array(MiB));
  await until("all has come", () => taken === MiB);
  assert.ok(relay.counters.toServer.droppedBy.size > 0);
  await server.close();
});
