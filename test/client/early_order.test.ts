import assert from "node:assert/strict";
import { describe, type TestContext, test } from "node:test";
import type { ClientSession } from "millrace/client";
import type { ServerBehaviour } from "millrace/server";
import { deferred } from "../kit/deferred.js";
import { EarlyWorld } from "../kit/early_world.js";
import { until } from "../kit/until.js";

const seen = { subject: "seen", idempotent: true };

/** A server whose early handlers wait, and what it has handled. */
async function slowWorld(t: TestContext, more: Partial<ServerBehaviour> = {}) {
  const held = deferred();
  t.after(() => held.resolve());
  const lines: string[] = [];
  const world = await EarlyWorld.begin(t, {
    message: (_session, message) => void lines.push(message.text()),
    earlyEvents: {
      seen: async (_client, message) => {
        lines.push(`${message.text()} early`);
        await held.promise;
      },
    },
    ...more,
  });
  await world.earnTicket();
  return { world, held, lines };
}

describe("what a client says behind messages that have gone early", () => {
  test("is handled behind them, though their handlers take their time", async (t) => {
    const { world, held, lines } = await slowWorld(t);
    const session = await world.connect({
      connecting(session) {
        session.send("one", seen);
        session.send("two", seen);
        session.send("three");
      },
    });
    session.send("four");
    await session.ping();
    assert.deepEqual(lines, ["one early"]);
    held.resolve();
    await until("all has come", () => lines.includes("four"));
    assert.deepEqual(lines, ["one early", "two early", "three", "four"]);
  });

  test("goes out with the session's end, though they are not answered", async (t) => {
    const { world, lines } = await slowWorld(t);
    const session = await world.connect({ connecting: (session) => void session.send("one", seen) });
    session.send("two");
    await session.close();
    await until("it has come", () => lines.includes("two"));
  });

  test("is behind them, too, where they come again by another connection", async (t) => {
    const { world, held, lines } = await slowWorld(t);
    const session = await world.connect(
      {
        connecting(session) {
          session.send("one", seen);
          session.send("two", seen);
        },
      },
      { reconnect: { delayMs: 1 } },
    );
    await world.hasTicket();
    session.abandon();
    await until("it is lost", () => session.state === "reconnecting");
    session.send("three", seen);
    await until("it has come again", () => world.server.counters.early === 2);
    await until("it is connected", () => session.state === "connected");
    await session.ping();
    assert.deepEqual(lines, ["one early"]);
    held.resolve();
    await until("all has come", () => lines.length === 3);
    assert.deepEqual(lines, ["one early", "two early", "three"]);
  });
});

const named = { idempotent: true, messageId: "one" };

for (const [what, say] of Object.entries({
  message: (session: ClientSession) => session.sendAcked("tea", { ...named, subject: "seen" }),
  request: (session: ClientSession) => session.request("price", "tea", named),
})) {
  test(`of two that have one id one ${what} is handled, of those that go early, too`, async (t) => {
    const { world, held, lines } = await slowWorld(t, {
      earlyRequests: {
        price: async () => {
          lines.push("tea early");
          await held.promise;
        },
      },
      request: () => void lines.push("tea"),
    });
    const said: ReturnType<typeof say>[] = [];
    const session = await world.connect({
      connecting: (session) => void said.push(say(session), say(session)),
    });
    said.push(say(session));
    await session.ping();
    held.resolve();
    const outcomes = await Promise.all<{ readonly status: string }>(said);
    assert.equal(new Set(outcomes.map(({ status }) => status)).size, 1);
    assert.match(outcomes[0]!.status, /acknowledged|success/);
    assert.deepEqual(lines, ["tea early"]);
  });
}
