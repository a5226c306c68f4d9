import assert from "node:assert/strict";
import { describe, type TestContext, test } from "node:test";
import { createPair, installFakeClock, type Pair, type PairOptions } from "millrace/testing";
import { until } from "../kit/until.js";

const dayMs = 86_400_000;

/** A server and its client by a clock of the test's, and what has become of them. */
async function timed(t: TestContext, options: PairOptions<"tcp">) {
  const clock = installFakeClock();
  let pair: Pair<"tcp"> | undefined;
  t.after(async () => {
    await pair?.close();
    clock.uninstall();
  });
  const seen = { heard: [] as string[], losses: 0 };
  pair = await createPair({
    ...options,
    client: { heartbeatMs: 5_000, ...options.client },
    clientBehaviour: {
      disconnected: () => {
        seen.losses += 1;
      },
    },
    serverBehaviour: {
      message: (_session, message) => {
        seen.heard.push(message.text());
      },
    },
  });
  return { clock, client: pair.client, relay: pair.relay, seen };
}

describe("a client's session", () => {
  test("loses no session and no message when the date jumps, either way", async (t) => {
    const { clock, client, seen } = await timed(t, {});
    for (const [at, jumpMs] of [dayMs, -2 * dayMs, 3_650 * dayMs, -7_300 * dayMs].entries()) {
      clock.setDate(Date.now() + jumpMs);
      const sent = client.sendAcked(`${at}`);
      await clock.advance(2_000);
      assert.deepEqual(await sent, { status: "acknowledged", level: "received" });
    }
    assert.deepEqual(seen, { heard: ["0", "1", "2", "3"], losses: 0 });
  });

  test("is given up at most once when a machine has slept, and comes back", async (t) => {
    const reconnect = { delayMs: 100, jitter: 0 };
    const { clock, client, relay, seen } = await timed(t, { relay: true, client: { reconnect } });
    const { id } = client;
    await client.request("there?");
    relay!.cut(); // what the other side has done meanwhile
    client.send("before it woke");
    await clock.jump(60_000);
    await until("it is there again", async () => {
      await clock.advance(100);
      return seen.heard.length === 1;
    });
    assert.deepEqual(seen, { heard: ["before it woke"], losses: 1 });
    assert.equal(client.id, id);
  });
});
