import assert from "node:assert/strict";
import { describe, type TestContext, test } from "node:test";
import { configureEngine, type QuicListener, type QuicListenOptions, quicCounters } from "millrace/quic";
import { Bystander } from "../kit/bystander.js";
import { Loopback, rawAlpn } from "../kit/loopback.js";
import { residentBytes } from "../kit/memory.js";
import { initialDatagram } from "../kit/quic_initial.js";
import { PacketType, readHeaders } from "../kit/quic_packet.js";
import { loopbackAddress, UdpAttacker } from "../kit/udp_attacker.js";
import { until } from "../kit/until.js";

const MiB = 1024 * 1024;
/** How long a handshake that nobody goes on with holds its place. */
const handshakeTimeoutMs = 2_000;

const loopback = await Loopback.make();

async function victim(
  t: TestContext,
  options: Partial<QuicListenOptions> = {},
): Promise<{ listener: QuicListener; bystander: Bystander }> {
  const listener = await loopback.listenRaw(
    t,
    { data: (stream, chunk) => void stream.write(chunk) },
    { handshakeTimeoutMs, ...options },
  );
  return { listener, bystander: await Bystander.open(t, loopback, listener.address.port) };
}

/** Sockets of so many hosts. */
async function hosts(t: TestContext, { address }: QuicListener, count: number): Promise<UdpAttacker[]> {
  const all = await Promise.all(
    Array.from({ length: count }, (_, n) => UdpAttacker.open(address.port, loopbackAddress(n))),
  );
  t.after(() => Promise.all(all.map((host) => host.close())));
  return all;
}

/** From each host so many first datagrams, the hosts taking turns. Calls `watch` now and then. */
async function flood(attackers: readonly UdpAttacker[], each: number, watch: () => void): Promise<void> {
  const before = quicCounters().udpDatagramsReceived;
  let sent = 0;
  for (let round = 0; round < each; round++) {
    for (const attacker of attackers) {
      await attacker.send(initialDatagram({ alpn: rawAlpn }));
      sent += 1;
      if (sent % 32 !== 0) continue;
      watch();
      await until("the server has read on", () => quicCounters().udpDatagramsReceived >= before + sent);
    }
  }
}

/** Handshakes in progress: the bystander's two ends are done. */
function inHandshake(): number {
  const { connectionsAllocated, connectionsConnected } = quicCounters();
  return connectionsAllocated - connectionsConnected;
}

/** At most so many of a flood were let in since `begun`, where so many at once are; twice, for they come unevenly. */
function mostLetIn(limit: number, begun: number): number {
  return 2 * limit * (1 + (performance.now() - begun) / handshakeTimeoutMs);
}

async function settled(): Promise<void> {
  await until("all handshakes have given up", () => quicCounters().connectionsAllocated === 2);
}

describe("a flood of handshakes from hundreds of hosts", () => {
  test("is asked for proofs of address when too many are in progress, and all its memory comes back", async (t) => {
    // The smallest share of memory that the engine counts in: tens of handshakes on a small machine, a few hundred
    // on a large one.
    await configureEngine({ retry: "underLoad", retryMemoryPercent: 0.002 });
    t.after(() => configureEngine({ retry: "underLoad", retryMemoryPercent: 2 }));
    const { listener, bystander } = await victim(t);
    const attackers = await hosts(t, listener, 300);
    const before = quicCounters();
    const rssBefore = residentBytes();
    let most = 0;
    await flood(attackers, 10, () => {
      most = Math.max(most, inHandshake());
    });
    const { retriesSent, connectionsCreated } = quicCounters();
    const begun = connectionsCreated - before.connectionsCreated;
    assert.ok(retriesSent > before.retriesSent, `${begun} handshakes begun and none retried`);
    assert.ok(most < 1_500, `${most} handshakes of 3,000 at once`);
    assert.ok(residentBytes() - rssBefore < 256 * MiB);
    await bystander.assertUnharmed();

    const newcomer = await loopback.connectRaw(t, listener.address.port);
    await newcomer.close();
    await settled();
    assert.equal(listener.connectionCount, 1);
    for (const { received } of attackers) {
      for (const datagram of received) {
        const type = readHeaders(datagram, 8)[0]!.type;
        if (type === PacketType.retry) assert.ok(datagram.length < 1_200);
      }
    }
  });

  test("is refused beyond the listener's limit, while established connections live", async (t) => {
    const limit = 50;
    const { listener, bystander } = await victim(t, { maxConnections: limit });
    const attackers = await hosts(t, listener, 200);
    const refused = quicCounters().handshakesRefused;
    const begun = performance.now();
    await flood(attackers, 5, () => {});
    const letIn = mostLetIn(limit, begun);
    await until(
      "what is beyond it is refused",
      () => quicCounters().handshakesRefused - refused >= 1_000 - letIn,
    );
    await bystander.assertUnharmed();
    await settled();
    const newcomer = await loopback.connectRaw(t, listener.address.port);
    assert.equal(newcomer.state, "open");
  });

  test("from one host leaves room for the others", async (t) => {
    const limit = 10;
    const { listener, bystander } = await victim(t, { maxHandshakesPerAddress: limit });
    const [attacker] = await hosts(t, listener, 1);
    const refused = quicCounters().handshakesRefused;
    const begun = performance.now();
    await flood([attacker!], 500, () => {});
    const letIn = mostLetIn(limit, begun);
    await until("nearly all are refused", () => quicCounters().handshakesRefused - refused >= 500 - letIn);
    const newcomer = await loopback.connectRaw(t, listener.address.port);
    assert.equal(newcomer.state, "open");
    await newcomer.close();
    await bystander.assertUnharmed();
    await settled();
  });
});
