import assert from "node:assert/strict";
import { describe, type TestContext, test } from "node:test";
import type * as quic from "millrace/quic";
import type { LinkCounters, RelayOptions } from "millrace/testing";
import { Loopback, rawAlpn } from "../kit/loopback.js";
import { Network } from "../kit/namespaces.js";
import type { Program } from "../kit/program.js";
import { until } from "../kit/until.js";

const MiB = 1024 * 1024;
const programs = {
  client: new URL("./client_program.js", import.meta.url),
  relay: new URL("./relay_program.js", import.meta.url),
  server: new URL("./server_program.js", import.meta.url),
};

const loopback = await Loopback.make();

interface Setting {
  readonly network: Network;
  readonly client: Program;
  readonly server: Program;
  /** Connects the client to the server's port of that address. */
  connect(
    address: string,
    port: number,
    options?: Partial<quic.QuicConnectOptions>,
  ): Promise<quic.SocketAddress>;
}

async function setting(t: TestContext): Promise<Setting> {
  const network = await Network.make();
  t.after(() => network.remove());
  const client = network.client.start(programs.client);
  const server = network.server.start(programs.server);
  const tls = { ca: loopback.ca, serverName: "localhost" };
  return {
    network,
    client,
    server,
    connect: (address, port, options = {}) =>
      client.call("connect", {
        url: `quic://${address.includes(":") ? `[${address}]` : address}:${port}`,
        options: { alpn: [rawAlpn], tls, ...options },
      }),
  };
}

async function listen(server: Program, options: Partial<quic.QuicListenOptions> = {}): Promise<number> {
  const all = { host: "::", port: 0, alpn: [rawAlpn], tls: loopback.identity, ...options };
  return (await server.call<quic.SocketAddress>("listen", all)).port;
}

async function assertIntact(client: Program): Promise<void> {
  const { digest, answer } = await client.call<{ digest: string; answer: string }>("finish");
  assert.equal(answer, digest);
}

async function relayIn(network: Network, options: Omit<RelayOptions, "listen">): Promise<[Program, number]> {
  const relay = network.middle.start(programs.relay);
  const listenAt = { listen: { address: "10.99.1.1" } };
  const { port } = await relay.call<quic.SocketAddress>("open", { ...options, ...listenAt });
  return [relay, port];
}

/** Within four standard deviations of what that many draws give. */
function assertRate(count: number, of: number, rate: number): void {
  const deviation = Math.sqrt(of * rate * (1 - rate));
  assert.ok(Math.abs(count - of * rate) <= 4 * deviation, `${count} of ${of}, ${rate} expected`);
}

const bad = { delayMs: 50, lossRate: 0.05, reorderRate: 0.2, duplicateRate: 0.01 };

describe("over a network that loses 5 %, reorders 20 %, duplicates 1 % and takes 100 ms there and back", () => {
  test("50 MB on a stream arrive intact", async (t) => {
    const { network, client, server, connect } = await setting(t);
    const fast = {
      congestionControl: "bbr",
      streamWindowBytes: 16 * MiB,
      connectionWindowBytes: 32 * MiB,
    } as const;
    const port = await listen(server, fast);
    const [relay, relayPort] = await relayIn(network, { target: { address: "10.99.2.2", port }, ...bad });
    await connect("10.99.1.1", relayPort, fast);
    await client.call("begin", 50_000_000);
    await assertIntact(client);
    const { toServer, toClient } = await relay.call<Record<string, LinkCounters>>("counters");
    // The fewest are acknowledgements, of which a busy server sends few.
    assert.ok(toServer!.received > 30_000 && toClient!.received > 100);
    for (const { received, dropped, reordered, duplicated } of [toServer!, toClient!]) {
      assertRate(dropped, received, bad.lossRate);
      assertRate(duplicated, received - dropped, bad.duplicateRate);
      assert.ok(reordered > 0);
    }
    // Where packets are many: one that is held back is only overtaken by what comes while it waits.
    const { received, reordered } = toServer!;
    assert.ok(reordered / received > 0.1, `${reordered} of ${received} reordered`);
    const { roundTripMs } = await client.call<quic.QuicStatistics>("statistics");
    assert.ok(roundTripMs >= 100, `${roundTripMs}`);
  });

  test("messages arrive in order, each once", async (t) => {
    const { network, client, server } = await setting(t);
    const tls = { ca: loopback.ca, serverName: "localhost" };
    const url = new URL(
      await server.call<string>("listenForMessages", { url: "quic://10.99.2.2:0", tls: loopback.identity }),
    );
    const target = { address: "10.99.2.2", port: Number(url.port) };
    const [, relayPort] = await relayIn(network, { target, ...bad });
    const count = 1_000;
    const numbers = await client.call("echoMessages", { url: `quic://10.99.1.1:${relayPort}`, tls, count });
    assert.deepEqual(
      numbers,
      Array.from({ length: count }, (_, number) => number),
    );
  });
});

describe("a path that changes under a transfer", () => {
  test("to an MTU of 1280 makes the packets smaller", async (t) => {
    const { network, client, server, connect } = await setting(t);
    const port = await listen(server);
    await connect("10.99.2.2", port);
    await until("the path is known to carry 1500", async () => {
      const { mtuBytes } = await client.call<quic.QuicStatistics>("statistics");
      return mtuBytes === 1_500;
    });
    await client.call("begin", 100 * MiB);
    await network.middle.ip("link set server mtu 1280");
    await network.server.ip("link set wan mtu 1280");
    await assertIntact(client);
    const { mtuBytes } = await client.call<quic.QuicStatistics>("statistics");
    assert.ok(mtuBytes <= 1_280, `${mtuBytes}`);
  });

  test("because a NAT forgot it is followed, and validated", async (t) => {
    const { network, client, server, connect } = await setting(t);
    const port = await listen(server);
    const [relay, relayPort] = await relayIn(network, { target: { address: "10.99.2.2", port } });
    await connect("10.99.1.1", relayPort);
    await client.call("begin", 30 * MiB);
    await until("the transfer is under way", async () => {
      const [statistics] = await server.call<quic.QuicStatistics[]>("statistics");
      return statistics!.streamBytesReceived > MiB;
    });
    await relay.call("rebind");
    await assertIntact(client);
    const changes = await server.call<quic.PathChange[]>("changes");
    assert.equal(changes.length, 1);
    const { before: first, after } = changes[0]!.remote;
    assert.deepEqual([first.address, after.address], ["10.99.2.1", "10.99.2.1"]);
    assert.notEqual(first.port, after.port);
    assert.deepEqual(await server.call("peers"), [after]);
  });

  test("because the client's own address is another is followed after rebind", async (t) => {
    const { network, client, server, connect } = await setting(t);
    const port = await listen(server);
    assert.equal((await connect("10.99.2.2", port)).address, "10.99.1.2");
    await client.call("begin", 200 * MiB);
    await network.client.ip("address add 10.99.1.3/24 dev wan");
    await network.client.ip("address del 10.99.1.2/24 dev wan");
    await network.client.ip("address add 10.99.1.3/24 dev wan").catch(() => {}); // gone with the first, or not
    await network.client.ip("route replace default via 10.99.1.1");
    const now = await client.call<quic.SocketAddress>("rebind", { address: "10.99.1.3" });
    await assertIntact(client);
    assert.equal(now.address, "10.99.1.3");
    assert.deepEqual(await server.call("peers"), [now]);
    const changes = await server.call<quic.PathChange[]>("changes");
    assert.deepEqual(changes.at(-1)!.remote.after, now);
  });
});

describe("IPv6", () => {
  test("and IPv4 reach one listener on ::, which names each client by its own family", async (t) => {
    const { client, server, connect } = await setting(t);
    const port = await listen(server);
    const locals: quic.SocketAddress[] = [];
    for (const address of ["10.99.2.2", "fd99:2::2"]) {
      locals.push(await connect(address, port));
      await client.call("begin", MiB);
      await assertIntact(client);
    }
    assert.deepEqual(
      locals.map(({ address, family }) => [address, family]),
      [
        ["10.99.1.2", "ipv4"],
        ["fd99:1::2", "ipv6"],
      ],
    );
    assert.deepEqual(await server.call("peers"), locals);
  });

  test("limits count its first 64 bits, and IPv4 through an IPv6 socket as IPv4", async (t) => {
    const { network, client, server, connect } = await setting(t);
    const port = await listen(server, { maxConnectionsPerAddress: 1 });
    await network.client.ip("address add fd99:1::3/64 dev wan nodad");
    const others = [network.client.start(programs.client), network.client.start(programs.client)];
    const tls = { ca: loopback.ca, serverName: "localhost" };
    const connectOther = (program: Program, host: string) =>
      program.call("connect", { url: `quic://${host}:${port}`, options: { alpn: [rawAlpn], tls } });
    await connect("10.99.2.2", port);
    await assert.rejects(connectOther(others[0]!, "10.99.2.2"), /ConnectionRefusedError/);
    await connectOther(others[0]!, "[fd99:2::2]");
    // The kernel takes the youngest of two addresses of one network, so these two differ in their last bits only.
    await network.client.ip("address del fd99:1::2/64 dev wan");
    await network.client.ip("-6 route replace default via fd99:1::1");
    await assert.rejects(connectOther(others[1]!, "[fd99:2::2]"), /ConnectionRefusedError/);
    // Moving does not give the place back.
    await client.call("rebind", { port: 0 });
    await assert.rejects(connectOther(others[1]!, "10.99.2.2"), /ConnectionRefusedError/);
  });
});
