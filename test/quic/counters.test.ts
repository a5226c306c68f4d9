import assert from "node:assert/strict";
import { test } from "node:test";
import { type QuicCounters, quicCounters } from "millrace/quic";
import { Loopback } from "../kit/loopback.js";
import { until } from "../kit/until.js";

const names: Readonly<Record<keyof QuicCounters, true>> = {
  connectionsCreated: true,
  connectionsAllocated: true,
  connectionsConnected: true,
  connectionsResumed: true,
  handshakesFailed: true,
  handshakesRefused: true,
  handshakesWithoutProtocol: true,
  handshakesShed: true,
  retriesSent: true,
  statelessResetsSent: true,
  protocolErrors: true,
  peersFailed: true,
  streamsAllocated: true,
  packetsDropped: true,
  packetsUndecryptable: true,
  packetsSuspectedLost: true,
  pathsValidated: true,
  pathsFailed: true,
  udpDatagramsReceived: true,
  udpDatagramsSent: true,
  udpBytesReceived: true,
  udpBytesSent: true,
};

test("the process's counters have every name they promise, and are zero before the first connection", () => {
  const counters = quicCounters();
  assert.deepEqual(Object.keys(counters).sort(), Object.keys(names).sort());
  for (const [name, value] of Object.entries(counters)) assert.equal(value, 0, name);
});

test("the process's counters follow connections and streams as they come and go", async (t) => {
  const loopback = await Loopback.make();
  const listener = await loopback.listenRaw(t, { data: (stream, chunk) => void stream.write(chunk) });
  let heard = 0;
  const client = await loopback.connectRaw(t, listener.address.port, {
    data: (_, chunk) => {
      heard += chunk.length;
    },
  });
  client.openStream().write(new Uint8Array(100_000));
  await until("all was echoed", () => heard === 100_000);
  const open = quicCounters();
  assert.deepEqual(
    [open.connectionsCreated, open.connectionsAllocated, open.connectionsConnected, open.streamsAllocated],
    [2, 2, 2, 2],
  );
  assert.ok(open.udpBytesReceived >= 200_000 && open.udpBytesSent >= 200_000);
  assert.ok(open.udpDatagramsReceived >= 4 && open.udpDatagramsSent >= 4);
  await client.close();
  await until("all is given back", () => {
    const { connectionsAllocated, connectionsConnected, streamsAllocated } = quicCounters();
    return connectionsAllocated === 0 && connectionsConnected === 0 && streamsAllocated === 0;
  });
  assert.equal(quicCounters().connectionsCreated, 2);
});
