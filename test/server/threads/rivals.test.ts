import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type ClientOptions, type ClientSession, connect } from "millrace/client";
import { until } from "../../kit/until.js";
import { ask, call, join, startApp, untilHeard } from "./kit.js";

const rounds = 6;
const rivals = 12;

/** Connects many at once as one client; which thread gets which, the operating system says. */
async function race(
  url: string,
  options: ClientOptions = {},
): Promise<PromiseSettledResult<ClientSession>[]> {
  const rival = () => connect(url, { clientId: "rival", ...options });
  return Promise.allSettled(Array.from({ length: rivals }, rival));
}

describe("one client that connects many times at once, at any of three threads", () => {
  test("has one session in the end, which is known by its id", async (t) => {
    const group = await startApp(t, { listen: "ws://127.0.0.1:0" });
    for (let round = 0; round < rounds; round += 1) {
      const results = await race(group.urls[0]!);
      const clients = results.map((result) => {
        assert.equal(result.status, "fulfilled");
        return (result as PromiseFulfilledResult<ClientSession>).value;
      });
      await until("one is left", () => clients.filter(({ state }) => state === "connected").length === 1);
      await until("it is known", () => group.sessionCount === 1);
      const winner = clients.find(({ state }) => state === "connected")!;
      const { sessions } = await group.list({ clientId: "rival", budget: 65_536 });
      assert.deepEqual(
        sessions.map(({ id }) => id),
        [winner.id],
      );
      const reply = await group.request({ clientId: "rival" }, "anything");
      assert.equal(reply.status, "failure", "it answers, and be it that it knows no such subject");
      assert.equal(group.revoke("rival"), true);
      await winner.closed;
      await until("none is left", () => group.sessionCount === 0);
    }
  });

  test("has one session from the beginning, where the policy is to reject", async (t) => {
    const group = await startApp(t, { listen: "ws://127.0.0.1:0", sameClient: "reject" });
    for (let round = 0; round < rounds; round += 1) {
      const results = await race(group.urls[0]!, { reconnect: false }); // or they would come when it is gone
      const begun = results.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
      // A welcome is no promise: of several that were welcomed the one that commits first is let in.
      await until("one is left", () => begun.filter(({ state }) => state === "connected").length === 1);
      await until("it is known", () => group.sessionCount === 1);
      const winner = begun.find(({ state }) => state === "connected")!;
      assert.equal(group.closeSession(winner.id), true);
      await winner.closed;
      await until("none is left", () => group.sessionCount === 0);
      for (const client of begun) await client.close();
    }
  });

  test("may have sessions in all threads, each of which is reached, whichever ends", async (t) => {
    const group = await startApp(t, { listen: "ws://127.0.0.1:0", sameClient: "allow" });
    const [url] = group.urls as [string];
    const members = await Promise.all(Array.from({ length: 9 }, () => join(t, url, { clientId: "rival" })));
    const other = await join(t, url, { clientId: "other" });
    for (let round = 0; members.length > 0; round += 1) {
      assert.equal(await call(other, "sendTo", { clientId: "rival" }, `round ${round}`), "sent");
      for (const member of members) await untilHeard(member, `round ${round}`);
      // The newest first: by it the client is known, and another has to be after it.
      await members.pop()!.client.close();
      await until("it is gone", () => group.sessionCount === members.length + 1);
      if (members.length === 0) break;
      await until("another is known", () => group.sendTo({ clientId: "rival" }, "known") === "sent");
    }
    assert.equal(group.sendTo({ clientId: "rival" }, ""), "gone");
    assert.equal(await ask(other.client, "id"), other.id);
  });
});

test("a list of sessions says that a thread does not answer", async (t) => {
  const group = await startApp(t, { listen: "tcp://127.0.0.1:0" }, { workers: 2 });
  const { client } = await join(t, group.urls[0]!);
  client.send("spin");
  await until("the thread is busy", async () => {
    const listed = group.list({ timeoutMs: 200 });
    return listed.then(
      () => false,
      (cause: { code: string }) => cause.code === "ERR_MILLRACE_TIMEOUT",
    );
  });
  const aborted = AbortSignal.abort();
  await assert.rejects(group.list({ signal: aborted }), { code: "ERR_MILLRACE_ABORTED" });
  await assert.rejects(group.list({ budget: 0 }), { code: "ERR_MILLRACE_INVALID_ARGUMENT" });
});
