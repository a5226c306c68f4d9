import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { FailureCode } from "millrace/server";
import { deferred } from "../../kit/deferred.js";
import { until } from "../../kit/until.js";
import { ask, call, eventsOf, join, joinElsewhere, type Member, startApp, untilHeard } from "./kit.js";

type T = Parameters<typeof startApp>[0];

/** A server in three threads, and two clients in different ones: the first over the transport under test. */
export function describeThreads(scheme: string): void {
  const listen = [`${scheme}://127.0.0.1:0`, "ws://127.0.0.1:0"];

  async function two(t: T, options: Partial<Parameters<typeof startApp>[1]> = {}) {
    const group = await startApp(t, { listen, ...options });
    const [url, webSocketUrl] = group.urls as [string, string];
    const first = await join(t, url, { clientId: "first" });
    const second = await joinElsewhere(t, webSocketUrl, [first.thread], { clientId: "second" });
    await until("only those are left", () => group.sessionCount === 2);
    return { group, first, second, url, webSocketUrl };
  }

  describe(`a server in three threads, over ${scheme}`, () => {
    test("sends to any session by its id and by its client's", async (t) => {
      const { group, first, second } = await two(t);
      assert.equal(await call(first, "sendTo", second.id, "by id"), "sent");
      assert.equal(await call(first, "sendTo", { clientId: "second" }, "by client"), "sent");
      assert.equal(await call(second, "sendTo", { clientId: "first" }, "and back", { type: 5 }), "sent");
      assert.equal(group.sendTo(second.id, "from the main thread"), "sent");
      assert.equal(group.sendTo({ clientId: "first" }, "from there, too"), "sent");
      await untilHeard(second, "by id", "by client", "from the main thread");
      await untilHeard(first, "and back", "from there, too");
      assert.deepEqual([first.heard.length, second.heard.length], [2, 3], "each once");
      const nobody = "0".repeat(32);
      assert.equal(await call(first, "sendTo", nobody, ""), "gone");
      assert.equal(await call(first, "sendTo", { clientId: "third" }, ""), "gone");
      assert.equal(group.sendTo(nobody, ""), "gone");
    });

    test("asks any session, and says what became of it", async (t) => {
      const { group, first } = await two(t);
      const { webSocketUrl } = { webSocketUrl: group.urls[1]! };
      const third = await joinElsewhere(
        t,
        webSocketUrl,
        [first.thread],
        { clientId: "third" },
        {
          requests: {
            double: (_session, request) => String(Number(request.text()) * 2),
            name: (_session, { messageId }) => messageId,
            never: () => new Promise(() => {}),
          },
        },
      );
      assert.deepEqual(await call(first, "request", third.id, "double", "21"), {
        status: "success",
        text: "42",
        meta: [],
      });
      for (const messageId of ["an order", Uint8Array.of(0, 255)]) {
        const named = await group.request(third.id, "name", "", { messageId });
        assert.deepEqual(
          named.status === "success" && Buffer.from(named.payload),
          Buffer.from(messageId as string),
        );
      }
      const reply = await group.request({ clientId: "third" }, "double", "4");
      assert.equal(reply.status === "success" && Buffer.from(reply.payload).toString(), "8");
      const unknown = await group.request(third.id, "triple", "4");
      assert.equal(unknown.status === "failure" && unknown.code, FailureCode.unknownSubject);
      assert.deepEqual(await group.request(third.id, "never", "", { timeoutMs: 30 }), { status: "timeout" });
      const aborted = new AbortController();
      const never = group.request(third.id, "never", "", { signal: aborted.signal });
      aborted.abort();
      await assert.rejects(never, { code: "ERR_MILLRACE_ABORTED" });
      const ending = group.request(third.id, "never");
      third.client.close();
      const lost = await ending;
      assert.equal(lost.status === "failure" && lost.code, FailureCode.lost);
      const nobody = await group.request(third.id, "double");
      assert.equal(nobody.status === "failure" && nobody.code, FailureCode.lost);
    });

    test("broadcasts to all sessions of all threads, and says to how many", async (t) => {
      const { group, first, second } = await two(t);
      assert.equal(await call(first, "broadcast", "one"), 2);
      assert.equal(await call(second, "broadcast", "two"), 2);
      assert.equal(group.broadcast("three", { type: 3 }), 2);
      for (const member of [first, second]) await untilHeard(member, "one", "two", "three");
      assert.deepEqual([first.heard.length, second.heard.length], [3, 3]);
    });

    test("ends any session, with code and reason", async (t) => {
      const { group, first, second } = await two(t);
      assert.equal(await call(first, "closeSession", second.id, { code: 300, reason: "enough" }), true);
      const end = await second.client.closed;
      assert.deepEqual([end.code, end.reason], [300, "enough"]);
      assert.equal(group.closeSession(first.id, { code: 301 }), true);
      assert.equal((await first.client.closed).code, 301);
      await until("none is left", () => group.sessionCount === 0);
      assert.equal(group.closeSession(first.id), false);
    });

    test("revokes all sessions of a client, wherever they are", async (t) => {
      const { group, first, second, url } = await two(t, { sameClient: "allow" });
      const another = await join(t, url, { clientId: "second" });
      assert.equal(group.sendTo({ clientId: "second" }, "both"), "sent");
      await untilHeard(second, "both");
      await untilHeard(another, "both");
      assert.ok(((await call(first, "revoke", "second")) as number) >= 1);
      await Promise.all([second.client.closed, another.client.closed]);
      await until("one is left", () => group.sessionCount === 1);
      assert.equal(group.revoke("second"), false);
    });

    test("finds the sessions of a client whose newest has ended with its thread", async (t) => {
      const exited = deferred();
      const behaviour = { workerExit: () => exited.resolve() };
      const group = await startApp(t, { listen, sameClient: "allow" }, {}, behaviour);
      const first = await join(t, group.urls[0]!, { clientId: "client" });
      const newest = await joinElsewhere(t, group.urls[1]!, [first.thread], { clientId: "client" });
      newest.client.send("exit");
      await exited.promise; // until then it is the newest that is found, and sent to for nothing
      await until("the first is found", () => group.sendTo({ clientId: "client" }, "found") === "sent");
      await untilHeard(first, "found");
      assert.equal(group.revoke("client"), true);
      await first.client.closed;
    });

    test("lists the sessions of all threads", async (t) => {
      const { group, first, second } = await two(t);
      const ids = [first.id, second.id].sort();
      for (const list of [
        await group.list(),
        (await call(first, "list", {})) as Awaited<ReturnType<typeof group.list>>,
      ]) {
        assert.deepEqual(list.sessions.map(({ id }) => id).sort(), ids);
      }
      const seen: string[] = [];
      let cursor = 0;
      do {
        const page = await group.list({ cursor, budget: 10_000 });
        seen.push(...page.sessions.map(({ id }) => id));
        ({ cursor } = page);
      } while (cursor !== 0);
      assert.deepEqual(seen.sort(), ids);
      const only = await group.list({ clientId: "second" });
      assert.deepEqual(
        only.sessions.map(({ id }) => id),
        [second.id],
      );
      const { sessions } = await group.list({ transport: "websocket", where: ({ id }) => id === second.id });
      assert.equal(sessions[0]!.messagesReceived > 0 && sessions[0]!.state, "open");
    });

    test("has one session for a client that connects again, at whatever thread", async (t) => {
      const { group, first, webSocketUrl } = await two(t);
      const again = await joinElsewhere(t, webSocketUrl, [first.thread], { clientId: "first" });
      const end = await first.client.closed;
      assert.equal(end.code, 10, "superseded");
      await until("two are left", () => group.sessionCount === 2);
      assert.equal(group.sendTo({ clientId: "first" }, "to the new one"), "sent");
      await untilHeard(again, "to the new one");
      assert.ok(!first.heard.includes("to the new one"));
    });

    test("refuses a client that has a session in another thread, where that is the policy", async (t) => {
      const { group, first, second, webSocketUrl } = await two(t, { sameClient: "reject" });
      const refusals = await Promise.allSettled(
        Array.from({ length: 10 }, () => join(t, webSocketUrl, { clientId: "first" })),
      );
      for (const result of refusals) {
        assert.equal(result.status === "rejected" && result.reason.code, "ERR_MILLRACE_SESSION_REFUSED");
      }
      assert.equal(group.sessionCount, 2);
      await first.client.close();
      await until("it is gone", () => group.sessionCount === 1);
      const back = await joinElsewhere(t, webSocketUrl, [second.thread], { clientId: "first" });
      assert.equal(await ask(back.client, "id"), back.id);
    });

    test("goes on without a thread that throws, and has another in its place", async (t) => {
      const exits: [number, unknown][] = [];
      const restarts: number[] = [];
      const group = await startApp(
        t,
        { listen },
        {},
        {
          workerExit: ({ id }, cause) => exits.push([id, cause]),
          workerRestart: ({ id, restarts: count }) => restarts.push(id * 100 + count),
        },
      );
      const first = await join(t, group.urls[0]!, { clientId: "first" });
      const second = await joinElsewhere(t, group.urls[1]!, [first.thread], { clientId: "second" });
      const echoes = sendAllAlong(second);
      first.client.send("throw");
      await until("it has ended and come back", () => restarts.length === 1);
      assert.equal(exits.length, 1);
      assert.match(String(exits[0]![1]), /was asked to throw/);
      assert.equal(restarts[0], exits[0]![0] * 100 + 1);
      await echoes.stop();
      assert.deepEqual(await eventsOf(second), ["open second"], "the other has noticed nothing");
      assert.deepEqual(
        group.workers.map(({ state }) => state),
        ["listening", "listening", "listening"],
      );
      assert.equal(group.sendTo({ clientId: "first" }, ""), "gone", "its sessions are gone");
      const anew = await join(t, group.urls[0]!, { clientId: "first" });
      assert.equal(group.sendTo({ clientId: "first" }, "anew"), "sent");
      await untilHeard(anew, "anew");
    });

    test("says lost to who asks a session whose thread ends", async (t) => {
      const group = await startApp(t, { listen }, {}, { workerExit: () => {} });
      const never = { requests: { never: () => new Promise<never>(() => {}) } };
      const member = await join(t, group.urls[0]!, { clientId: "first" }, never);
      const asked = group.request(member.id, "never");
      member.client.send("exit");
      const reply = await asked;
      assert.equal(reply.status === "failure" && reply.code, FailureCode.lost);
    });
  });
}

/** Sends without a pause, and counts what comes back. */
function sendAllAlong(member: Member): { stop(): Promise<void> } {
  let sent = 0;
  const timer = setInterval(() => {
    if (member.client.send(`${sent}`) !== "dropped") sent += 1;
  }, 1);
  return {
    async stop() {
      clearInterval(timer);
      await until("all came back", () => member.heard.length === sent);
      assert.deepEqual(
        member.heard,
        Array.from({ length: sent }, (_, index) => `${index}`),
      );
    },
  };
}
