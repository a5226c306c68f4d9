import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import type { Connection } from "millrace";
import { Loopback } from "../kit/loopback.js";
import { until } from "../kit/until.js";

const largeBytes = 400_000; // beyond what a paused reader's side takes in
const bursts = 12;
/** Longer than a lane's stream stays open unused, so that every burst has one of its own. */
const betweenBurstsMs = 300;

const loopback = await Loopback.make();

test("a reader that pauses over many bursts gets all of them, in order", async (t) => {
  const received: number[] = [];
  let served: Connection | undefined;
  const listener = await loopback.listen(t, {
    open(connection) {
      served = connection;
      connection.pause();
    },
    message: (_connection, bytes) => {
      received.push(bytes.length);
    },
  });
  const client = await loopback.connect(t, listener.urls[0]!);
  const sent = [largeBytes];
  client.send(new Uint8Array(largeBytes));
  for (let burst = 1; burst <= bursts; burst++) {
    await delay(betweenBurstsMs);
    sent.push(burst);
    client.send(new Uint8Array(burst));
  }
  assert.equal(client.state, "open");
  assert.deepEqual(received, []);
  served!.resume();
  await until("everything has come", () => received.length === sent.length);
  assert.deepEqual(received, sent);
});
