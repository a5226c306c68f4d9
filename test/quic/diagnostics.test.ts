import assert from "node:assert/strict";
import { channel, subscribe, unsubscribe } from "node:diagnostics_channel";
import { test } from "node:test";
import type * as quic from "millrace/quic";
import { deferred } from "../kit/deferred.js";
import { Loopback } from "../kit/loopback.js";
import { openPair } from "../kit/pair.js";
import { until } from "../kit/until.js";

type Name = keyof quic.QuicDiagnostics;

const names: readonly Name[] = [
  "millrace:quic:connection:open",
  "millrace:quic:connection:close",
  "millrace:quic:stream:open",
  "millrace:quic:stream:close",
  "millrace:quic:error",
];

const loopback = await Loopback.make();

test("connections, streams and errors of handlers are told to diagnostics_channel", async (t) => {
  const told: { name: string; message: unknown }[] = [];
  for (const name of names) {
    const listener = (message: unknown) => void told.push({ name, message });
    subscribe(name, listener);
    t.after(() => unsubscribe(name, listener));
  }
  const mistake = new Error("a handler's mistake");
  const failed = deferred<unknown>();
  let faulty: quic.QuicStream | undefined;
  const { client, server } = await openPair(loopback, t, {
    behaviour: {
      data: (stream) => {
        faulty = stream;
        throw mistake;
      },
      end: (stream) => stream.end(),
      error: (_, cause) => failed.resolve(cause),
    },
  });
  const stream = client.openStream();
  stream.write(new Uint8Array(1));
  stream.end();
  const streamInfo = await stream.closed;
  assert.equal(await failed.promise, mistake);
  const info = await client.close({ code: 5 });
  const serverInfo = await server.closed;
  await until("all is told", () => told.filter(({ name }) => name.endsWith("close")).length === 4);

  const of = (name: Name) => told.filter((each) => each.name === name).map(({ message }) => message);
  const connections = of("millrace:quic:connection:open") as { connection: unknown }[];
  assert.deepEqual(new Set(connections.map(({ connection }) => connection)), new Set([client, server]));
  assert.deepEqual(of("millrace:quic:error"), [{ connection: server, error: mistake, stream: faulty }]);
  const streams = of("millrace:quic:stream:open") as { stream: quic.QuicStream }[];
  assert.deepEqual(
    streams.map((each) => each.stream.initiator),
    ["local", "peer"],
  );
  const closedStreams = of("millrace:quic:stream:close") as { stream: unknown; info: unknown }[];
  assert.ok(closedStreams.some((each) => each.stream === stream && each.info === streamInfo));
  const closed = of("millrace:quic:connection:close") as { connection: unknown; info: unknown }[];
  assert.ok(closed.some((each) => each.connection === client && each.info === info));
  assert.ok(closed.some((each) => each.connection === server && each.info === serverInfo));
});

test("nothing is published where nobody listens", async (t) => {
  const published: string[] = [];
  for (const name of names) {
    const each = channel(name);
    assert.equal(each.hasSubscribers, false);
    t.mock.method(each, "publish", () => void published.push(name));
  }
  const { client } = await openPair(loopback, t, { behaviour: { end: (stream) => stream.end() } });
  const stream = client.openStream();
  stream.end();
  await stream.closed;
  await client.close();
  assert.deepEqual(published, []);
});
