import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { CloseInfo } from "millrace";
import type { Connected, Missed } from "millrace/client";
import { FailureCode, refuse, type Session } from "millrace/server";
import { deferred } from "../../kit/deferred.js";
import { until } from "../../kit/until.js";
import { Exchange } from "./exchange.js";
import type { SessionKit } from "./kit.js";

export function describeReconnecting(kit: SessionKit): void {
  describe("a client that comes back by itself", () => {
    test("loses nothing and repeats nothing, however often its connection is cut", async (t) => {
      const exchange = new Exchange();
      const server = await kit.serve(t, exchange.serverBehaviour);
      const course: string[] = [];
      const client = await kit.join(
        t,
        server,
        { reconnect: { delayMs: 1 } },
        {
          ...exchange.clientBehaviour,
          connected: (session, { transport, url, resumed }) => {
            assert.deepEqual([transport, url], [session.transport, server.urls[0]]);
            course.push(`${session.state} ${resumed}`);
          },
          disconnected: (session, info) => course.push(`${session.state} ${info.by}`),
        },
      );
      await until("it has begun", () => server.sessionCount === 1);
      const rounds = 5;
      await exchange.run(client, server, { rounds, each: 100 }, (round) =>
        until("it is back", () => course.length === 3 + 2 * round),
      );
      await exchange.isWhole();
      assert.deepEqual(course, [
        "connected false",
        ...Array.from({ length: rounds }, () => ["reconnecting local", "connected true"]).flat(),
      ]);
    });

    test("is told what is lost where the server has lost the session, and has the rest in the next one", async (t) => {
      const gate = deferred();
      const asked: string[] = [];
      const answer = (subject: string) => async (session: Session) => {
        asked.push(subject);
        if (session.id === first) await gate.promise;
        return "done";
      };
      let first = "";
      const got: string[] = [];
      const server = await kit.serve(
        t,
        {
          open: ({ id }) => {
            first ||= id;
          },
          message: (session, message) => {
            got.push(message.text());
            return session.id === first ? gate.promise : undefined;
          },
          requests: { once: answer("once"), again: answer("again") },
          subscribe: () => true,
        },
        { resumeWindowMs: 50, topics: { history: { news: { count: 10 } } } },
      );
      const told: (Missed | Connected)[] = [];
      const heard: string[] = [];
      const client = await kit.join(
        t,
        server,
        {},
        {
          connected: (_session, connected) => told.push(connected),
          gap: (_session, missed) => told.push(missed),
          publication: (_session, { text }) => heard.push(text()),
        },
      );
      await client.subscribe("news");
      const once = client.request("once");
      const again = client.request("again", "", { idempotent: true });
      for (const text of ["one", "two"]) client.send(text);
      await until("the server does some of it", () => asked.length > 0 && got.length > 0);
      client.abandon();
      await until(
        "the session has ended",
        () => client.state === "disconnected" && server.sessionCount === 0,
      );
      client.send("three");
      server.publish("news", "meanwhile");
      const { url, transport } = told[0] as Connected;
      assert.equal(await client.switchTo(url), false);
      await until("what waited is there", () => got.at(-1) === "three");
      const failed = await once;
      assert.equal(failed.status === "failure" && failed.code, FailureCode.lost);
      assert.equal((await again).status, "success");
      assert.equal(asked.filter((subject) => subject === "once").length, 1);
      await until("the subscription is renewed", () => heard.length === 1);
      server.publish("news", "after");
      await until("the next is heard", () => heard.length === 2);
      assert.deepEqual(heard, ["meanwhile", "after"]);
      assert.deepEqual(told, [
        { transport, url, resumed: false },
        { transport, url, resumed: false },
        { topic: undefined, messages: 2, requests: 1 },
      ]);
      gate.resolve();
    });

    test("moves to another connection while it has one, and is never without", async (t) => {
      const got: string[] = [];
      const server = await kit.serve(t, { message: (_session, message) => got.push(message.text()) });
      const told: string[] = [];
      const client = await kit.join(
        t,
        server,
        {},
        {
          disconnected: () => told.push("disconnected"),
          switched: (_session, from, to) =>
            told.push(`${from.transport} ${from.url}, ${to.transport} ${to.url}`),
        },
      );
      await until("it has begun", () => server.sessionCount === 1);
      const { transport } = client;
      for (let i = 0; i < 200; i += 1) {
        client.send(`${i}`);
        if (i === 100) void client.switchTo(transport!);
      }
      await until("it has moved", () => told.length === 1);
      await until("all has come", () => got.length === 200);
      assert.deepEqual(
        got,
        Array.from({ length: 200 }, (_, i) => `${i}`),
      );
      const [url] = server.urls;
      assert.deepEqual(told, [`${transport} ${url}, ${transport} ${url}`]);
      await assert.rejects(client.switchTo("pigeon"), /none of those given/);
      assert.equal(client.state, "connected");
    });

    test("stays away where the server has ended the session, and fails where it is not let in any more", async (t) => {
      let mayCome = true;
      const server = await kit.serve(t, {
        authenticate: (_hello, context) => {
          context.clientId = undefined;
          return mayCome ? {} : refuse("not any more");
        },
      });
      const ends: CloseInfo[] = [];
      const close = (_session: unknown, info: CloseInfo) => void ends.push(info);
      const ended = await kit.join(t, server, { reconnect: { delayMs: 1 } }, { close });
      await until("it has begun", () => server.sessionCount === 1);
      server.closeSession(ended.id, { code: 300, reason: "enough" });
      await ended.closed;
      assert.deepEqual([ended.state, ends.length, ends[0]!.code], ["disconnected", 1, 300]);
      const refused = await kit.join(t, server, { reconnect: { delayMs: 1 } }, { close });
      await until("it has begun", () => server.sessionCount === 1);
      mayCome = false;
      refused.abandon();
      const { by, error } = await refused.closed;
      assert.deepEqual([refused.state, by, ends.length], ["failed", "peer", 2]);
      assert.equal(error!.code, "ERR_MILLRACE_SESSION_REFUSED");
    });
  });
}
