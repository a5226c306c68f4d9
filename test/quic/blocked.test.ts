import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import type { Connection } from "millrace";
import { loadAddon } from "#internal/native/addon.js";
import { Loopback } from "../kit/loopback.js";
import { until } from "../kit/until.js";

const observedMs = 1_000;
/** Two msquics that answer each other's complaints at once send some 90,000. */
const enough = 2_000;

const loopback = await Loopback.make();

function datagramsSent(): number {
  return loadAddon().transportCounters().udpDatagramsSent!;
}

function sendUntilBlocked(connection: Connection): void {
  while (connection.send(new Uint8Array(65_536)) === "sent");
}

test("two sides that block each other rest until one reads", async (t) => {
  let served: Connection | undefined;
  const listener = await loopback.listen(t, {
    open(connection) {
      served = connection;
      connection.pause();
    },
    message: () => {},
  });
  const client = await loopback.connect(t, listener.urls[0]!, { message: () => {} });
  client.pause();
  await until("the server has the connection", () => served !== undefined);
  sendUntilBlocked(client);
  sendUntilBlocked(served!);
  await until("both are held back", () => client.bytesQueued > 0 && served!.bytesQueued > 0);
  await delay(observedMs); // what was on its way has arrived
  const before = datagramsSent();
  await delay(observedMs);
  const sent = datagramsSent() - before;
  assert.ok(before > 0);
  assert.ok(sent < enough, `${sent} datagrams in a second, and nothing to say`);
  client.resume();
  served!.resume();
  await until("both queues are empty", () => client.bytesQueued === 0 && served!.bytesQueued === 0);
});
