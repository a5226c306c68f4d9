import assert from "node:assert/strict";
import { channel, subscribe, unsubscribe } from "node:diagnostics_channel";
import { describe, type TestContext, test } from "node:test";
import type * as quic from "millrace/quic";
import { connect } from "millrace/quic";
import { Authority } from "millrace/testing";
import { deferred } from "../kit/deferred.js";
import { Loopback } from "../kit/loopback.js";
import { openPair } from "../kit/pair.js";
import { serveTls } from "../kit/tls_pair.js";
import { until } from "../kit/until.js";

type Name = keyof quic.QuicDiagnostics;

const names: readonly Name[] = [
  "millrace:quic:connection:open",
  "millrace:quic:connection:close",
  "millrace:quic:connection:error",
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

/** What is told of failed handshakes. */
function failures(t: TestContext): quic.FailedHandshake[] {
  const told: quic.FailedHandshake[] = [];
  const listener = (message: unknown) => void told.push(message as quic.FailedHandshake);
  subscribe("millrace:quic:connection:error", listener);
  t.after(() => unsubscribe("millrace:quic:connection:error", listener));
  return told;
}

/** In short: who tells, and the error's code. */
function brief(told: readonly quic.FailedHandshake[]): string[] {
  return told.map(({ side, error }) => `${side} ${(error as Error & { code: string }).code}`).sort();
}

describe("a handshake that fails is told to diagnostics_channel", () => {
  test("by the client whose protocol the server does not speak", async (t) => {
    const told = failures(t);
    const listener = await loopback.listenRaw(t, {});
    const { port } = listener.address;
    const attempt = loopback.connectRaw(t, port, {}, { alpn: ["other"] });
    const thrown = await attempt.catch((error: unknown) => error);
    assert.deepEqual(brief(told), ["client ERR_MILLRACE_PROTOCOL_MISMATCH"]);
    assert.equal(told[0]!.error, thrown);
    assert.equal(told[0]!.remote, `127.0.0.1:${port}`);
  });

  test("by both sides where a limit of the listener refuses it, with who was refused by which", async (t) => {
    const told = failures(t);
    const listener = await loopback.listenRaw(t, {}, { maxConnections: 1 });
    const { port } = listener.address;
    const first = await loopback.connectRaw(t, port);
    await assert.rejects(loopback.connectRaw(t, port));
    await until("both have told", () => told.length === 2);
    const code = "ERR_MILLRACE_CONNECTION_REFUSED";
    assert.deepEqual(brief(told), [`client ${code}`, `server ${code}`]);
    const server = told.find(({ side }) => side === "server")!;
    assert.deepEqual(server.localAddress, listener.address);
    assert.match(server.remote, /^127\.0\.0\.1:\d+$/);
    assert.match(server.error.message, /maxConnections$/);
    assert.equal(first.state, "open");
  });

  test("by both sides where the client does not trust the server", async (t) => {
    const told = failures(t);
    const listener = await loopback.listenRaw(t, {});
    const other = await Authority.make();
    await assert.rejects(
      loopback.connectRaw(t, listener.address.port, {}, { tls: { ca: other.certificate } }),
    );
    await until("both have told", () => told.length === 2);
    const code = "ERR_MILLRACE_CERTIFICATE_UNTRUSTED";
    assert.deepEqual(brief(told), [`client ${code}`, `server ${code}`]);
  });

  test("by the server whose authenticate refuses the client", async (t) => {
    const told = failures(t);
    const authority = await Authority.make();
    const tls = { ...(await authority.issue()), clientCertificate: "request" } as const;
    const server = await serveTls(t, tls, { authenticate: () => false });
    const client = await server.connect({ ca: authority.certificate });
    await client.closed;
    await until("the server has told", () => told.length === 1);
    assert.deepEqual(brief(told), ["server ERR_MILLRACE_CERTIFICATE_REFUSED"]);
    assert.match(told[0]!.remote, /^127\.0\.0\.1:\d+$/);
  });

  test("by the client whose server has no address", async (t) => {
    const told = failures(t);
    const options = { alpn: ["any"], tls: { ca: loopback.ca } };
    await assert.rejects(connect("quic://nobody.invalid:1", options));
    assert.deepEqual(brief(told), ["client ERR_MILLRACE_ADDRESS_UNAVAILABLE"]);
    assert.equal(told[0]!.remote, "nobody.invalid:1");
  });

  test("and a flood of them once a turn, the others being counted", async (t) => {
    const told = failures(t);
    const listener = await loopback.listenRaw(t, {}, { maxConnections: 1 });
    const { port } = listener.address;
    await loopback.connectRaw(t, port);
    const attempts = 100;
    const outcomes = await Promise.allSettled(
      Array.from({ length: attempts }, () => loopback.connectRaw(t, port)),
    );
    assert.ok(outcomes.every(({ status }) => status === "rejected"));
    const servers = () => told.filter(({ side }) => side === "server");
    const known = () => servers().reduce((sum, { missed }) => sum + 1 + missed, 0);
    // What was missed is told with the next.
    await until("all are accounted for", async () => {
      await assert.rejects(loopback.connectRaw(t, port));
      return known() >= attempts;
    });
    assert.equal(told.length - servers().length, Number(listener.refused.connections));
  });
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
