import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { connect } from "millrace/client";
import { createServer } from "millrace/server";
import { createStreamRelay, installFakeClock } from "millrace/testing";
import { connect as connectInPage } from "#internal/client/browser.js";
import { Heartbeat } from "#internal/client/heartbeat.js";
import { Pace } from "#internal/client/pace.js";
import { systemClock } from "#internal/dispatch/clock.js";
import { providePageSocket } from "../kit/page_socket.js";
import { until } from "../kit/until.js";

providePageSocket();

const hourMs = 3_600_000;

describe("how often a client says that it is there", () => {
  test("is twice as often where silence cost it a connection, and hourly less again", () => {
    const pace = new Pace();
    assert.equal(pace.everyMs(60_000, 0), 60_000);
    pace.lost(60_000, 1_000);
    assert.equal(pace.everyMs(60_000, 1_000), 30_000);
    pace.lost(30_000, 2_000);
    assert.equal(pace.everyMs(60_000, 2_000 + hourMs - 1), 15_000);
    assert.equal(pace.everyMs(60_000, 2_000 + hourMs), 30_000);
    assert.equal(pace.everyMs(60_000, 2_000 + 2 * hourMs), 60_000);
    assert.equal(pace.everyMs(60_000, 2_000 + 50 * hourMs), 60_000, "never less than is agreed");
  });

  test("has a limit, however many connections are lost", () => {
    const pace = new Pace();
    for (let i = 0; i < 10; i += 1) pace.lost(pace.everyMs(15_000, 0), 0);
    assert.equal(pace.everyMs(15_000, 0), 5_000);
    assert.equal(pace.everyMs(2_000, 0), 2_000, "what is agreed may be more");
  });

  test("is at most once a second, and at least hourly, whatever the server says", async (t) => {
    const clock = installFakeClock();
    t.after(() => clock.uninstall());
    for (const [heartbeatMs, pings] of [
      [1, 3_600],
      [2 ** 32 - 1, 1],
    ] as const) {
      const connection = { state: "open", send: () => "sent" };
      const dialled = { connection, codec: undefined, welcome: { heartbeatMs } };
      const heartbeat = new Heartbeat(dialled as never, systemClock, new Pace());
      await clock.advance(hourMs + 500);
      heartbeat.end();
      assert.equal(heartbeat.pings, pings);
    }
  });

  for (const [where, connectThere, scheme] of [
    ["Node.js", connect, "tcp"],
    ["a page", connectInPage, "ws"],
  ] as const) {
    test(`suits a network that forgets who is silent, after one connection, in ${where}`, async (t) => {
      const clock = installFakeClock();
      t.after(() => clock.uninstall());
      const server = await createServer({ listen: `${scheme}://127.0.0.1:0` }, {});
      t.after(() => server.close({ graceful: false }));
      const relay = await createStreamRelay({ target: server.addresses[0]! });
      t.after(() => relay.close());
      let losses = 0;
      const client = await connectThere(
        `${scheme}://127.0.0.1:${relay.address.port}`,
        { reconnect: { delayMs: 100, jitter: 0 } },
        {
          disconnected: () => {
            losses += 1;
          },
        },
      );
      t.after(() => client.close({ graceful: false }));
      const forgetsAfterS = 12; // a client that is not told otherwise is heard of each 15 s
      let bytes = 0;
      let silentS = 0;
      for (let second = 0; second < 300; second += 1) {
        await clock.advance(1_000);
        const [flow] = relay.flows;
        const passed = (flow?.forwardedBytes.toServer ?? 0) + (flow?.forwardedBytes.toClient ?? 0);
        silentS = passed === bytes ? silentS + 1 : 0;
        bytes = passed;
        if (silentS === forgetsAfterS) flow?.resetAfter("toServer", 1);
      }
      await until("it is connected", async () => {
        await clock.advance(10);
        return client.state === "connected";
      });
      assert.equal(losses, 1);
    });
  }
});
