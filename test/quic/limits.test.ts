import assert from "node:assert/strict";
import { describe, type TestContext, test } from "node:test";
import type { QuicConnection, QuicListener } from "millrace/quic";
import { createRelay } from "millrace/testing";
import { ConnectionRefusedError } from "#internal/errors.js";
import { Loopback } from "../kit/loopback.js";
import { until } from "../kit/until.js";

const loopback = await Loopback.make();

/** A way to the listener from another address of the loopback: its port. */
async function from(t: TestContext, sourceAddress: string, listener: QuicListener): Promise<number> {
  const { port } = listener.address;
  const relay = await createRelay({ target: { address: "127.0.0.1", port }, sourceAddress });
  t.after(() => relay.close());
  return relay.address.port;
}

async function assertRefused(attempt: Promise<QuicConnection>): Promise<void> {
  await assert.rejects(attempt, ConnectionRefusedError);
}

describe("a listener's limits", () => {
  test("on connections refuse the next one, count it, and let another in when one has closed", async (t) => {
    const listener = await loopback.listenRaw(t, {}, { maxConnections: 2 });
    const { port } = listener.address;
    const first = await loopback.connectRaw(t, port);
    const second = await loopback.connectRaw(t, port);
    await assertRefused(loopback.connectRaw(t, port));
    await assertRefused(loopback.connectRaw(t, port));
    assert.deepEqual(listener.refused, { connections: 2, connectionsPerAddress: 0, handshakesPerAddress: 0 });
    await first.close();
    await until("there is room", () =>
      loopback.connectRaw(t, port).then(
        () => true,
        () => false,
      ),
    );
    assert.equal(second.state, "open");
    await listener.close();
    assert.ok(listener.refused.connections >= 2, "the count stays when it is closed");
  });

  test("on connections of one address leave other addresses alone", async (t) => {
    const listener = await loopback.listenRaw(t, {}, { maxConnectionsPerAddress: 2 });
    const [here, elsewhere] = [listener.address.port, await from(t, "127.0.0.9", listener)];
    await loopback.connectRaw(t, here);
    await loopback.connectRaw(t, here);
    await assertRefused(loopback.connectRaw(t, here));
    await loopback.connectRaw(t, elsewhere);
    await loopback.connectRaw(t, elsewhere);
    await assertRefused(loopback.connectRaw(t, elsewhere));
    assert.deepEqual(listener.refused, { connections: 0, connectionsPerAddress: 2, handshakesPerAddress: 0 });
  });

  test("take IPv4 addresses for themselves, not for IPv6's ::ffff:0:0/96, on a socket of both", async (t) => {
    const listener = await loopback.listenRaw(t, {}, { host: "::", maxConnectionsPerAddress: 1 });
    const here = await loopback.connectRaw(t, listener.address.port);
    assert.equal(here.remoteAddress.family, "ipv4");
    await loopback.connectRaw(t, await from(t, "127.0.0.9", listener));
    await assertRefused(loopback.connectRaw(t, listener.address.port));
  });

  test("count a connection for the address it came from, wherever it moves", async (t) => {
    const moves: string[] = [];
    const listener = await loopback.listenRaw(
      t,
      { pathChange: (_, { remote }) => void moves.push(remote.after.address), data() {} },
      { maxConnectionsPerAddress: 1 },
    );
    const { port } = listener.address;
    const relay = await createRelay({ target: { address: "127.0.0.1", port }, sourceAddress: "127.0.0.9" });
    t.after(() => relay.close());
    const mover = await loopback.connectRaw(t, relay.address.port);
    const stream = mover.openStream();
    stream.write(new Uint8Array(1));
    await until("the handshake is confirmed", () => stream.bytesQueued === 0); // nobody may move before
    await relay.rebind({ address: "127.0.0.10" });
    await until("the server has seen it move", () => {
      stream.write(new Uint8Array(1)); // it moves with a packet that comes when the way is validated
      return moves.at(-1) === "127.0.0.10";
    });
    await assertRefused(loopback.connectRaw(t, await from(t, "127.0.0.9", listener)));
    await loopback.connectRaw(t, await from(t, "127.0.0.10", listener));
    await mover.close();
    await until("its place is free", async () => {
      const way = await from(t, "127.0.0.9", listener);
      return loopback.connectRaw(t, way).then(
        () => true,
        () => false,
      );
    });
  });

  test("on handshakes of one address count those in progress only", async (t) => {
    const listener = await loopback.listenRaw(
      t,
      {},
      { maxHandshakesPerAddress: 2, handshakeTimeoutMs: 4_000 },
    );
    const { port } = listener.address;
    for (let i = 0; i < 5; i++) await loopback.connectRaw(t, port);
    // These never hear the server's answer, so their handshakes stay open there.
    const mute = await createRelay({ target: listener.address });
    t.after(() => mute.close());
    mute.block("toClient");
    const lost = [1, 2].map(() => loopback.connectRaw(t, mute.address.port, {}, { handshakeTimeoutMs: 500 }));
    const ended = Promise.allSettled(lost);
    await until("the server has their Initials", () => mute.counters.toServer.forwarded >= 2);
    let refused = 0;
    await until("the address has its handshakes", async () => {
      const attempt = await loopback.connectRaw(t, port).catch((error: unknown) => error);
      if (attempt instanceof ConnectionRefusedError) refused += 1;
      return refused === 1;
    });
    assert.deepEqual(listener.refused, { connections: 0, connectionsPerAddress: 0, handshakesPerAddress: 1 });
    await loopback.connectRaw(t, await from(t, "127.0.0.9", listener));
    await ended;
    await until("the handshakes have timed out", () =>
      loopback.connectRaw(t, port).then(
        () => true,
        () => false,
      ),
    );
  });
});
