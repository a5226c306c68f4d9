import assert from "node:assert/strict";
import { describe, type TestContext, test } from "node:test";
import { configureEngine, type EngineOptions, type QuicConnection, quicCounters } from "millrace/quic";
import { createRelay, type Relay } from "millrace/testing";
import { EngineInUseError, InvalidArgumentError } from "#internal/errors.js";
import { Loopback } from "../kit/loopback.js";
import { until } from "../kit/until.js";

const loopback = await Loopback.make();

/** The source connection id of a long header (RFC 9000 section 17.2), undefined for a short one. */
function sourceId(packet: Uint8Array): Uint8Array | undefined {
  if ((packet[0]! & 0x80) === 0) return undefined;
  const at = 6 + packet[5]!;
  return packet.subarray(at + 1, at + 1 + packet[at]!);
}

/** A connection over a relay that records, and was used in both directions. */
async function recorded(t: TestContext): Promise<Relay> {
  let heard = 0;
  const listener = await loopback.listenRaw(t, { data: (stream, chunk) => void stream.write(chunk) });
  const relay = await createRelay({ target: listener.address, record: true });
  t.after(() => relay.close());
  const client = await loopback.connectRaw(t, relay.address.port, {
    data: (_, chunk) => {
      heard += chunk.length;
    },
  });
  client.openStream().write(new Uint8Array(1_000));
  await until("it was echoed", () => heard === 1_000);
  await client.close();
  await listener.close();
  return relay;
}

/** The ids by which the server wants to be addressed, and those by which it was, in short headers. */
function serverIds(relay: Relay, bytes: number): { named: Uint8Array[]; used: Uint8Array[] } {
  const of = (direction: string) =>
    relay.recorded.filter((datagram) => datagram.direction === direction).map((datagram) => datagram.bytes);
  const named = of("toClient").map(sourceId);
  const used = of("toServer").filter((packet) => (packet[0]! & 0x80) === 0);
  return {
    named: named.filter((id) => id !== undefined),
    used: used.map((packet) => packet.subarray(1, 1 + bytes)),
  };
}

/** All sockets are closed, which takes msquic a moment. */
async function unused(options: EngineOptions): Promise<void> {
  await until("the engine is not in use", () =>
    configureEngine(options).then(
      () => true,
      (error: unknown) => {
        assert.ok(error instanceof EngineInUseError);
        return false;
      },
    ),
  );
}

describe("connection ids", () => {
  test("carry the server's id, which a load balancer reads from any packet", async (t) => {
    const serverId = 0xc0ffee42;
    await configureEngine({ loadBalancing: { serverId } });
    const firstBytes = new Set<number>();
    for (let i = 0; i < 3; i++) {
      const { named, used } = serverIds(await recorded(t), 14);
      assert.ok(named.length > 0 && used.length > 0);
      for (const id of [...named, ...used]) {
        assert.equal(id.length, 14);
        assert.equal(Buffer.from(id).readUInt32LE(1), serverId);
        firstBytes.add(id[0]!);
      }
    }
    assert.ok(firstBytes.size > 1, "byte 0 is random");
  });

  test("carry the listener's address where that was asked for", async (t) => {
    await unused({ loadBalancing: "address" });
    const { named, used } = serverIds(await recorded(t), 14);
    for (const id of [...named, ...used]) assert.deepEqual([...id.subarray(1, 5)], [127, 0, 0, 1]);
  });

  test("are short, and say nothing, by default", async (t) => {
    await unused({ loadBalancing: "none" });
    const { named } = serverIds(await recorded(t), 9);
    assert.deepEqual(new Set(named.map((id) => id.length)), new Set([9]));
  });

  test("keep their form while there is a listener or a connection", async (t) => {
    const listener = await loopback.listenRaw(t, {});
    await assert.rejects(
      configureEngine({ loadBalancing: { serverId: 1 }, retry: "always" }),
      EngineInUseError,
    );
    await configureEngine({ loadBalancing: "none" }); // what holds already can be said again
    const client = await loopback.connectRaw(t, listener.address.port);
    assert.equal((await client.statistics()).retried, false, "nothing of a refused call was set");
    await listener.close();
    await assert.rejects(configureEngine({ loadBalancing: "address" }), EngineInUseError);
    await client.close();
    await unused({ loadBalancing: "address" });
    await unused({ loadBalancing: "none" });
  });
});

describe("retry", () => {
  async function connects(t: TestContext, port: number): Promise<boolean> {
    const client = await loopback.connectRaw(t, port);
    const { retried } = await client.statistics();
    await client.close();
    return retried;
  }

  test("is asked of every client, of none, and again of every one, while listeners stay", async (t) => {
    const { port } = (await loopback.listenRaw(t, {})).address;
    await configureEngine({ retry: "always" });
    const before = quicCounters().retriesSent;
    assert.equal(await connects(t, port), true);
    assert.equal(quicCounters().retriesSent, before + 1);
    await configureEngine({ retry: "never" });
    assert.equal(await connects(t, port), false);
    assert.equal(quicCounters().retriesSent, before + 1);
    await configureEngine({ retry: "always" });
    assert.equal(await connects(t, port), true);
    await configureEngine({ retry: "underLoad" });
    assert.equal(await connects(t, port), false);
  });

  test("is asked for under load only: while many handshakes are not done", async (t) => {
    await configureEngine({ retryMemoryPercent: 0.002 }); // about 10 handshakes on a machine of 16 GiB
    t.after(() => configureEngine({ retry: "underLoad" }));
    const listener = await loopback.listenRaw(t, {}, { handshakeTimeoutMs: 4_000 });
    assert.equal(await connects(t, listener.address.port), false);
    // Clients that never hear an answer leave their handshakes behind in the server.
    const mute = await createRelay({ target: listener.address });
    t.after(() => mute.close());
    mute.block("toClient");
    const before = quicCounters().retriesSent;
    const lost: Promise<QuicConnection>[] = [];
    await until("there is load", async () => {
      if (lost.length < 2_000) {
        const attempt = loopback.connectRaw(t, mute.address.port, {}, { handshakeTimeoutMs: 1_000 });
        attempt.catch(() => {});
        lost.push(attempt);
      }
      return quicCounters().retriesSent > before;
    });
    assert.equal(await connects(t, listener.address.port), true);
    await Promise.allSettled(lost);
    await until("the load is gone", async () => !(await connects(t, listener.address.port)));
  });
});

test("wrong options are refused with their name", async () => {
  for (const [options, said] of [
    [{ retry: "sometimes" }, /retry must be "underLoad", "always" or "never"/],
    [{ retryMemoryPercent: 0 }, /retryMemoryPercent must be a number from 0.002 to 100, and not 0/],
    [{ retryMemoryPercent: "2" }, /retryMemoryPercent/],
    [{ retry: "always", retryMemoryPercent: 2 }, /retryMemoryPercent goes with retry "underLoad" only/],
    [{ loadBalancing: { serverId: -1 } }, /loadBalancing must be "none", "address" or {serverId}/],
    [{ loadBalancing: { serverId: 2 ** 32 } }, /loadBalancing/],
    [{ loadBalancing: { serverId: 1, server: 2 } }, /loadBalancing/],
    [{ loadbalancing: "none" }, /did you mean loadBalancing\?/],
  ] as const) {
    await assert.rejects(configureEngine(options as unknown as EngineOptions), (error: Error) => {
      assert.ok(error instanceof InvalidArgumentError);
      assert.match(error.message, said);
      return true;
    });
  }
});
