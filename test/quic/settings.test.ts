import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { describe, type TestContext, test } from "node:test";
import type { QuicConnection, QuicListenOptions } from "millrace/quic";
import * as quic from "millrace/quic";
import { createRelay, type Relay, type RelayOptions } from "millrace/testing";
import { ConnectionLostError, HandshakeTimeoutError, InvalidArgumentError } from "#internal/errors.js";
import { Loopback } from "../kit/loopback.js";
import { until } from "../kit/until.js";

const MiB = 1024 * 1024;
/** Of an IP packet without options, and of UDP. */
const ipv4HeaderBytes = 20 + 8;

const loopback = await Loopback.make();

/** A server that counts what it reads, behind a relay. */
async function counting(
  t: TestContext,
  faults: Partial<RelayOptions> = {},
  options: Partial<QuicListenOptions> = {},
): Promise<{
  relay: Relay;
  server: { readonly bytes: number; readonly accepted: readonly QuicConnection[] };
}> {
  const server = { bytes: 0, accepted: [] as QuicConnection[] };
  const listener = await loopback.listenRaw(
    t,
    {
      open: (connection) => void server.accepted.push(connection),
      data: (_, chunk) => {
        server.bytes += chunk.length;
      },
    },
    options,
  );
  const relay = await createRelay({ target: listener.address, ...faults });
  t.after(() => relay.close());
  // Their clients may be unable to tell them that they are gone.
  t.after(() => Promise.all(server.accepted.map((connection) => connection.close({ graceful: false }))));
  return { relay, server };
}

function sizes(relay: Relay, direction: "toServer" | "toClient"): number[] {
  const datagrams = relay.recorded.filter((datagram) => datagram.direction === direction);
  return datagrams.map(({ bytes }) => bytes.length + ipv4HeaderBytes);
}

test("disconnectTimeoutMs is how long a peer may acknowledge nothing", async (t) => {
  const { relay } = await counting(t);
  const hasty = await loopback.connectRaw(t, relay.address.port, {}, { disconnectTimeoutMs: 300 });
  const patient = await loopback.connectRaw(t, relay.address.port);
  relay.blockUdp();
  for (const client of [hasty, patient]) client.openStream().write(new Uint8Array(1));
  const { by, error } = await hasty.closed;
  assert.equal(by, "transport");
  assert.ok(error instanceof ConnectionLostError && /stopped acknowledging/.test(error.message));
  assert.equal(patient.state, "open");
  relay.unblockUdp();
  await patient.close();
});

test("initialRttMs is how long the first packet waits for its answer before it is sent again", async (t) => {
  const socket = createSocket("udp4");
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  t.after(() => socket.close());
  let datagrams = 0;
  socket.on("message", () => {
    datagrams += 1;
  });
  const flightsOf = async (initialRttMs: number): Promise<number> => {
    datagrams = 0;
    const options = { initialRttMs, handshakeTimeoutMs: 700 };
    await assert.rejects(loopback.connectRaw(t, socket.address().port, {}, options), HandshakeTimeoutError);
    return datagrams;
  };
  const patient = await flightsOf(1_000);
  const hasty = await flightsOf(5);
  assert.ok(hasty >= 2 * patient, `${hasty} datagrams at 5 ms, ${patient} at 1 s`);
});

describe("the MTU", () => {
  test("begins with minimumMtu", async (t) => {
    const { relay } = await counting(t, { record: true });
    await loopback.connectRaw(t, relay.address.port, {}, { minimumMtu: 1_400 });
    assert.equal(sizes(relay, "toServer")[0], 1_400);
  });

  test("rises to what the path carries, and with it the largest datagram", async (t) => {
    const { relay } = await counting(t);
    const client = await loopback.connectRaw(t, relay.address.port);
    const { mtuBytes } = await client.statistics();
    const datagramBytes = client.maxDatagramBytes;
    await until("the MTU was found", async () => (await client.statistics()).mtuBytes === 1_500);
    assert.ok(mtuBytes < 1_500);
    await until(
      "datagrams may be larger",
      () => client.maxDatagramBytes === datagramBytes + 1_500 - mtuBytes,
    );
  });

  test("does not rise above maximumMtu, on either side", async (t) => {
    const { relay } = await counting(t, { record: true }, { maximumMtu: 1_350 });
    const client = await loopback.connectRaw(t, relay.address.port, {}, { maximumMtu: 1_300 });
    await until("the client's MTU was found", async () => (await client.statistics()).mtuBytes === 1_300);
    const stream = client.openStream();
    stream.write(new Uint8Array(200_000));
    await until("all is acknowledged", () => stream.bytesQueued === 0);
    assert.equal(Math.max(...sizes(relay, "toServer")), 1_300);
    assert.ok(Math.max(...sizes(relay, "toClient")) <= 1_350);
  });

  test("is found below a path that carries less", async (t) => {
    const { relay } = await counting(t, { maxDatagramBytes: 1_400 - ipv4HeaderBytes });
    const client = await loopback.connectRaw(t, relay.address.port);
    const stream = client.openStream();
    stream.write(new Uint8Array(MiB));
    await until("all is acknowledged", () => stream.bytesQueued === 0);
    const { mtuBytes } = await client.statistics();
    assert.ok(mtuBytes <= 1_400, `an MTU of ${mtuBytes}`);
  });
});

test("congestionControl: random loss shrinks the window of cubic, and not that of bbr", async (t) => {
  const windowOf = async (congestionControl: "cubic" | "bbr"): Promise<number> => {
    const { relay, server } = await counting(t, { lossRate: 0.03, delayMs: 10 });
    const options = { congestionControl, highWaterMarkBytes: 8 * MiB };
    const client = await loopback.connectRaw(t, relay.address.port, {}, options);
    client.openStream().write(new Uint8Array(3 * MiB));
    let largest = 0;
    await until("half has arrived", () => server.bytes > MiB);
    await until("the rest has arrived", async () => {
      largest = Math.max(largest, (await client.statistics()).congestionWindowBytes);
      return server.bytes === 3 * MiB;
    });
    assert.ok((await client.statistics()).packetsSuspectedLost > 0);
    return largest;
  };
  const [cubic, bbr] = [await windowOf("cubic"), await windowOf("bbr")];
  assert.ok(bbr > 2 * cubic, `bbr had ${bbr} bytes, cubic ${cubic}`);
});

test("sendBuffering takes what is written off the queue before it is acknowledged", async (t) => {
  const { relay } = await counting(t);
  const buffered = await loopback.connectRaw(t, relay.address.port, {}, { sendBuffering: true });
  const plain = await loopback.connectRaw(t, relay.address.port);
  relay.blockUdp();
  const streams = [plain, buffered].map((client) => client.openStream());
  for (const stream of streams) stream.write(new Uint8Array(1_000));
  await until("msquic has copied it", () => streams[1]!.bytesQueued === 0);
  assert.equal(streams[0]!.bytesQueued, 1_000);
  relay.unblockUdp();
  await until("it is acknowledged", () => streams[0]!.bytesQueued === 0);
});

test("settings that contradict each other are refused", async () => {
  const good = { host: "127.0.0.1", port: 0, alpn: ["a"], tls: loopback.identity };
  for (const [options, said] of [
    [{ minimumMtu: 1_400, maximumMtu: 1_300 }, "minimumMtu must be at most maximumMtu, 1300, and not 1400"],
    [
      { idleTimeoutMs: 1_000, keepAliveMs: 1_000 },
      "keepAliveMs must be less than idleTimeoutMs, 1000, and not 1000",
    ],
    [{ minimumMtu: 1_247 }, "minimumMtu must be an integer from 1248 to 1500, and not 1247"],
    [{ congestionControl: "reno" }, 'congestionControl must be "cubic" or "bbr", and not "reno"'],
    [{ initialRttMs: 0 }, "initialRttMs must be an integer from 1 to 10000, and not 0"],
    [
      { disconnectTimeoutMs: 600_001 },
      "disconnectTimeoutMs must be an integer from 1 to 600000, and not 600001",
    ],
    [{ sendBuffering: "yes" }, 'sendBuffering must be true or false, and not "yes"'],
    [{ maxConnections: 0 }, "maxConnections must be an integer from 1 to 2147483647, and not 0"],
    [{ idleTimeout: 5 }, 'there is no option "idleTimeout"; did you mean idleTimeoutMs?'],
  ] as const) {
    const listening = quic.listen({ ...good, ...options } as unknown as QuicListenOptions, {});
    await assert.rejects(listening, (error: Error) => {
      assert.ok(error instanceof InvalidArgumentError);
      assert.equal(error.message, said);
      return true;
    });
  }
  const wrong = { alpn: ["a"], idleTimeoutMs: 10, keepAliveMs: 20 };
  await assert.rejects(quic.connect("quic://localhost:1", wrong), InvalidArgumentError);
});
