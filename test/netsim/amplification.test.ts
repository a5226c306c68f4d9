import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import type * as quic from "millrace/quic";
import { Loopback, rawAlpn } from "../kit/loopback.js";
import { Network } from "../kit/namespaces.js";

interface Account {
  readonly sent: number;
  readonly received: number;
}

/** RFC 9000 section 8.1. */
const MOST = 3;
const INITIALS = 400;

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
  await client.call("fire", {
    count: INITIALS,
    target: { address: "10.99.2.2", port },
    options: { alpn: [rawAlpn], tls: { ca: loopback.ca, serverName: "localhost" }, handshakeTimeoutMs: 50 },
  });
  // Over when nothing has come for longer than the server waits between two tries.
  let accounts: readonly Account[] = [];
  for (let before = -1, total = 0; total !== before; await delay(1_600)) {
    before = total;
    accounts = await client.call<Account[]>("accounts");
    total = accounts.reduce((sum, { received }) => sum + received, 0);
  }
  assert.equal(accounts.length, INITIALS);
  const ratios = accounts.map(({ sent, received }) => received / sent);
  assert.ok(Math.max(...ratios) <= MOST, `${Math.max(...ratios)}`);
  // It did answer, and sent again what was lost: the bound is what held it back.
  assert.ok(ratios.filter((ratio) => ratio > 2).length > INITIALS / 2, `${ratios.slice(0, 10).join(" ")}`);
});
