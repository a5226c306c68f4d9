import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { describe, type TestContext, test } from "node:test";
import type { QuicListenOptions, QuicOptions } from "millrace/quic";
import * as quic from "millrace/quic";
import { createRelay, type Relay, type RelayOptions } from "millrace/testing";
import { AbortedError, ConnectionLostError, InvalidArgumentError } from "#internal/errors.js";
import { Loopback } from "../kit/loopback.js";
import { type Ends, openEnds, type Role, roles } from "../kit/pair.js";
import { until } from "../kit/until.js";

const MiB = 1024 * 1024;
/** Of an IP packet without options, and of UDP. */
const ipv4HeaderBytes = 20 + 8;

const loopback = await Loopback.make();

/** Both ends of a connection through a relay. */
interface Relayed extends Ends {
  readonly relay: Relay;
  /** What `peer` has read of streams. */
  readonly read: { readonly bytes: number };
}

/** A connection whose end of that role has those options. */
async function relayed(
  t: TestContext,
  role: Role,
  options: Partial<QuicOptions> = {},
  {
    faults = {},
    peerOptions = {},
  }: { faults?: Partial<RelayOptions>; peerOptions?: Partial<QuicOptions> } = {},
): Promise<Relayed> {
  const read = { bytes: 0 };
  const behaviour = {
    data: (_: unknown, chunk: Uint8Array) => {
      read.bytes += chunk.length;
    },
  };
  let relay!: Relay;
  const ends = await openEnds(
    loopback,
    t,
    role,
    { options },
    { behaviour, options: peerOptions },
    async (target) => {
      relay = await createRelay({ target, ...faults });
      t.after(() => relay.close());
      return relay.address.port;
    },
  );
  // One may be unable to tell the other that it is gone.
  t.after(() => Promise.all([ends.own, ends.peer].map((end) => end.close({ graceful: false }))));
  return { ...ends, relay, read };
}

/** Of the IP packets that the end of that role has sent. */
function sizes(relay: Relay, role: Role): number[] {
  const direction = role === "client" ? "toServer" : "toClient";
  const datagrams = relay.recorded.filter((datagram) => datagram.direction === direction);
  return datagrams.map(({ bytes }) => bytes.length + ipv4HeaderBytes);
}

test("initialRttMs is how long the first packet waits for its answer before it is sent again", async (t) => {
  const giveUp = new AbortController();
  /** Counts what a client sends to one who never answers. */
  const client = async (initialRttMs: number) => {
    const socket = createSocket("udp4");
    socket.bind(0, "127.0.0.1");
    await once(socket, "listening");
    t.after(() => socket.close());
    const sent = { datagrams: 0 };
    socket.on("message", () => {
      sent.datagrams += 1;
    });
    const options = { initialRttMs, signal: giveUp.signal };
    const ended = assert.rejects(loopback.connectRaw(t, socket.address().port, {}, options), AbortedError);
    await until("its first packet has left", () => sent.datagrams > 0);
    return { sent, ended };
  };
  const patient = await client(10_000);
  const hasty = await client(5);
  await until("the hasty one has sent it again and again", () => hasty.sent.datagrams >= 6);
  assert.ok(patient.sent.datagrams < 3, `${patient.sent.datagrams} datagrams at 10 s`);
  giveUp.abort();
  await Promise.all([patient.ended, hasty.ended]);
});

for (const role of roles) {
  test(`disconnectTimeoutMs of a ${role} is how long its peer may acknowledge nothing`, async (t) => {
    const hasty = await relayed(t, role, { disconnectTimeoutMs: 1_500 });
    const patient = await relayed(t, role);
    for (const { relay, own } of [hasty, patient]) {
      relay.block();
      own.openStream().write(new Uint8Array(1));
    }
    const { by, error } = await hasty.own.closed;
    assert.equal(by, "transport");
    assert.ok(error instanceof ConnectionLostError && /stopped acknowledging/.test(error.message));
    assert.equal(patient.own.state, "open");
    patient.relay.unblock();
    await patient.own.close();
  });

  describe(`the MTU of a ${role}`, () => {
    test("begins with minimumMtu", async (t) => {
      const { relay } = await relayed(t, role, { minimumMtu: 1_400 }, { faults: { record: true } });
      assert.equal(sizes(relay, role)[0], 1_400);
    });

    test("rises to what the path carries, and with it the largest datagram", async (t) => {
      const fixed = await relayed(t, role, { minimumMtu: 1_400, maximumMtu: 1_400 });
      const { own } = await relayed(t, role);
      const { mtuBytes } = await own.statistics();
      await until("the MTU was found", async () => (await own.statistics()).mtuBytes === 1_500);
      assert.ok(mtuBytes < 1_500);
      const largest = fixed.own.maxDatagramBytes + 100;
      await until("datagrams may be larger", () => own.maxDatagramBytes === largest);
    });

    test("does not rise above maximumMtu, whatever the peer's is", async (t) => {
      const { own, relay } = await relayed(
        t,
        role,
        { maximumMtu: 1_300 },
        { faults: { record: true }, peerOptions: { maximumMtu: 1_350 } },
      );
      await until("it was found", async () => (await own.statistics()).mtuBytes === 1_300);
      const stream = own.openStream();
      stream.write(new Uint8Array(200_000));
      await until("all is acknowledged", () => stream.bytesQueued === 0);
      assert.equal(Math.max(...sizes(relay, role)), 1_300);
      assert.ok(Math.max(...sizes(relay, role === "client" ? "server" : "client")) <= 1_350);
    });

    test("is found below a path that carries less", async (t) => {
      const { own } = await relayed(t, role, {}, { faults: { maxDatagramBytes: 1_400 - ipv4HeaderBytes } });
      const stream = own.openStream();
      stream.write(new Uint8Array(MiB));
      await until("all is acknowledged", () => stream.bytesQueued === 0);
      const { mtuBytes } = await own.statistics();
      assert.ok(mtuBytes <= 1_400, `an MTU of ${mtuBytes}`);
    });
  });

  test(`congestionControl of a ${role}: random loss shrinks the window of cubic, and not that of bbr`, async (t) => {
    const windowOf = async (congestionControl: "cubic" | "bbr"): Promise<number> => {
      const options = { congestionControl, highWaterMarkBytes: 8 * MiB };
      const { own, read } = await relayed(t, role, options, { faults: { lossRate: 0.03, delayMs: 10 } });
      own.openStream().write(new Uint8Array(3 * MiB));
      let largest = 0;
      await until("half has arrived", () => read.bytes > MiB);
      await until("the rest has arrived", async () => {
        largest = Math.max(largest, (await own.statistics()).congestionWindowBytes);
        return read.bytes === 3 * MiB;
      });
      const { packetsSuspectedLost, congestionEvents } = await own.statistics();
      assert.ok(packetsSuspectedLost > 0);
      assert.ok(congestionEvents > 0 && congestionEvents <= packetsSuspectedLost, `${congestionEvents}`);
      return largest;
    };
    const [cubic, bbr] = [await windowOf("cubic"), await windowOf("bbr")];
    assert.ok(bbr > 2 * cubic, `bbr had ${bbr} bytes, cubic ${cubic}`);
  });

  test(`sendBuffering of a ${role} takes what is written off the queue before it is acknowledged`, async (t) => {
    const both = [await relayed(t, role), await relayed(t, role, { sendBuffering: true })];
    const [plain, buffered] = both.map(({ own, relay }) => {
      relay.block();
      const stream = own.openStream();
      stream.write(new Uint8Array(1_000));
      return stream;
    });
    await until("msquic has copied it", () => buffered!.bytesQueued === 0);
    assert.equal(plain!.bytesQueued, 1_000);
    for (const { relay } of both) relay.unblock();
    await until("it is acknowledged", () => plain!.bytesQueued === 0);
  });
}

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
