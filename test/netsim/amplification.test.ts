import assert from "node:assert/strict";
import { test } from "node:test";
import type * as quic from "millrace/quic";
import { Loopback, rawAlpn } from "../kit/loopback.js";
import { Network } from "../kit/namespaces.js";
import { until } from "../kit/until.js";

interface Account {
  readonly sent: number;
  readonly received: number;
}

/** RFC 9000 section 8.1. */
const MOST = 3;
const INITIALS = 400;
/** So many at once fit into the receive buffer of a server that does not get the processor. */
const BATCH = 40;

test("a client that was never heard again is sent no more than three times of what it sent", async (t) => {
  const loopback = await Loopback.make();
  const network = await Network.make();
  t.after(() => network.remove());
  const server = network.server.start(new URL("./server_program.js", import.meta.url));
  const { port } = await server.call<quic.SocketAddress>("listen", {
    host: "10.99.2.2",
    port: 0,
    alpn: [rawAlpn],
    tls: loopback.identity,
    handshakeTimeoutMs: 4_000,
    initialRttMs: 50, // so that what it sends again comes soon: after 150, 450, 1,050 and 2,250 ms
  });
  const client = network.client.start(new URL("./silent_program.js", import.meta.url));
  const counters = () => server.call<quic.QuicCounters>("counters");
  for (let fired = BATCH; fired <= INITIALS; fired += BATCH) {
    await client.call("fire", {
      count: BATCH,
      target: { address: "10.99.2.2", port },
      options: { alpn: [rawAlpn], tls: { ca: loopback.ca, serverName: "localhost" }, handshakeTimeoutMs: 50 },
    });
    await until("the server has begun them", async () => (await counters()).connectionsCreated === fired);
  }
  await until("it has given them up", async () => (await counters()).handshakesFailed === INITIALS);
  const { udpBytesSent } = await counters();
  let accounts: readonly Account[] = [];
  await until("all that it sent has come", async () => {
    accounts = await client.call<Account[]>("accounts");
    return accounts.reduce((sum, { received }) => sum + received, 0) === udpBytesSent;
  });
  assert.equal(accounts.length, INITIALS);
  const ratios = accounts.map(({ sent, received }) => received / sent);
  assert.ok(Math.max(...ratios) <= MOST, `${Math.max(...ratios)}`);
  // It did answer, and sent again what was lost: the bound is what held it back.
  assert.ok(ratios.filter((ratio) => ratio > 2).length > INITIALS / 2, `${ratios.slice(0, 10).join(" ")}`);
});
