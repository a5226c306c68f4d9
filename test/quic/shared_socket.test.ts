import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { describe, type TestContext, test } from "node:test";
import type { QuicConnection, QuicConnectOptions } from "millrace/quic";
import { ConnectionRefusedError } from "#internal/errors.js";
import { Loopback } from "../kit/loopback.js";
import { silentUdp } from "../kit/silent_peer.js";
import { until } from "../kit/until.js";

const loopback = await Loopback.make();

/** Files and sockets that this process has open. */
function descriptors(): number {
  return readdirSync("/proc/self/fd").length;
}

function ports(clients: readonly QuicConnection[]): Set<number> {
  return new Set(clients.map((client) => client.localAddress.port));
}

interface Clients {
  readonly all: QuicConnection[];
  readonly echoed: () => number;
}

/** Opens clients, a few at a time, and has each send a byte that comes back. */
async function open(
  t: TestContext,
  port: number,
  count: number,
  options: Partial<QuicConnectOptions>,
): Promise<Clients> {
  const all: QuicConnection[] = [];
  let echoed = 0;
  const data = () => {
    echoed += 1;
  };
  while (all.length < count) {
    const batch = Array.from({ length: Math.min(25, count - all.length) }, () =>
      loopback.connectRaw(t, port, { data }, options),
    );
    all.push(...(await Promise.all(batch)));
  }
  for (const client of all) client.openStream().write(new Uint8Array(1));
  await until("every client has its answer", () => echoed === count);
  return { all, echoed: () => echoed };
}

describe("socket", () => {
  test("shared puts a thousand connections to a server on eight sockets", async (t) => {
    const listener = await loopback.listenRaw(t, { data: (stream, chunk) => void stream.write(chunk) });
    const before = descriptors();
    const { all } = await open(t, listener.address.port, 1_000, { socket: "shared" });
    assert.equal(ports(all).size, 8);
    const opened = descriptors() - before;
    assert.ok(opened <= 8 * 4 + 8, `${opened} descriptors for 1,000 connections`);
    await Promise.all(all.map((client) => client.close({ graceful: false })));
    await until("the sockets are closed", () => descriptors() <= before + 8);
  });

  test("shared keeps few connections on one, and serves them when the first has gone", async (t) => {
    const listener = await loopback.listenRaw(t, { data: (stream, chunk) => void stream.write(chunk) });
    const { all, echoed } = await open(t, listener.address.port, 10, { socket: "shared" });
    const [port, ...others] = ports(all);
    assert.equal(others.length, 0);
    await all[0]!.close();
    const later = await loopback.connectRaw(t, listener.address.port, {}, { socket: "shared" });
    assert.equal(later.localAddress.port, port);
    for (const client of all.slice(1)) client.openStream().write(new Uint8Array(1));
    await until("the others go on", () => echoed() === 19);
  });

  test("shared lets one connection move away, and leaves the others where they are", async (t) => {
    const listener = await loopback.listenRaw(t, { data: (stream, chunk) => void stream.write(chunk) });
    const { all, echoed } = await open(t, listener.address.port, 3, { socket: "shared" });
    const [mover, ...stayers] = all;
    const { port } = mover!.localAddress;
    const moved = await mover!.rebind();
    assert.notEqual(moved.port, port);
    for (const client of stayers) assert.equal(client.localAddress.port, port);
    for (const client of all) client.openStream().write(new Uint8Array(1));
    await until("all go on", () => echoed() === 6);
  });

  test("shared is opened again after its last connection", async (t) => {
    const listener = await loopback.listenRaw(t, { data: (stream, chunk) => void stream.write(chunk) });
    for (let i = 0; i < 5; i++) {
      const { all } = await open(t, listener.address.port, 3, { socket: "shared" });
      assert.equal(ports(all).size, 1);
      await Promise.all(all.map((client) => client.close()));
    }
  });

  test("shared is shared with connections to the same server only", async (t) => {
    const [one, two] = [await loopback.listenRaw(t, {}), await loopback.listenRaw(t, {})];
    const toOne = await loopback.connectRaw(t, one.address.port, {}, { socket: "shared" });
    const toTwo = await loopback.connectRaw(t, two.address.port, {}, { socket: "shared" });
    assert.notEqual(toOne.localAddress.port, toTwo.localAddress.port);
  });

  test("shared tells, as own does, where nothing listens", async (t) => {
    const silent = await silentUdp();
    await silent.close();
    for (const socket of ["shared", "own"] as const) {
      await assert.rejects(
        loopback.connectRaw(t, silent.port, {}, { socket }),
        ConnectionRefusedError,
        socket,
      );
    }
  });

  test("own, the default, is a port for each connection", async (t) => {
    const listener = await loopback.listenRaw(t, { data: (stream, chunk) => void stream.write(chunk) });
    const before = descriptors();
    const { all } = await open(t, listener.address.port, 20, {});
    assert.equal(ports(all).size, 20);
    assert.ok(descriptors() >= before + 20);
  });
});
