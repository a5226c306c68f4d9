import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { CloseCode } from "millrace";
import type { Session, SessionEnd } from "millrace/server";
import { encodeHello } from "#internal/delivery/hello.js";
import { readWelcome } from "#internal/delivery/welcome.js";
import { Kind } from "#internal/frame/frame.js";
import { deferred } from "../../kit/deferred.js";
import { until } from "../../kit/until.js";
import { Exchange } from "./exchange.js";
import type { SessionKit } from "./kit.js";
import { hello, RawClient } from "./raw_client.js";

export function describeResuming(kit: SessionKit): void {
  describe("resuming a session", () => {
    test("goes on where it was cut off: nothing lost, nothing twice, in order, both ways", async (t) => {
      const exchange = new Exchange();
      let resumed = 0;
      const server = await kit.serve(t, {
        ...exchange.serverBehaviour,
        resumed: () => {
          resumed += 1;
        },
      });
      const client = await kit.join(t, server, {}, exchange.clientBehaviour);
      await until("it has begun", () => server.sessionCount === 1);
      const rounds = 5;
      await exchange.run(client, server, { rounds, each: 200 }, async () => {
        await until("it is detached", () => client.state === "disconnected");
        assert.equal(await client.switchTo(server.urls[0]!), true);
      });
      await exchange.isWhole();
      assert.ok(resumed >= 1 && resumed <= rounds, "a commit may be lost with its connection");
    });

    test("keeps requests in flight", async (t) => {
      let release!: () => void;
      const gate = new Promise<void>((resolve) => {
        release = resolve;
      });
      const server = await kit.serve(t, {
        requests: {
          wait: async () => {
            await gate;
            return "done";
          },
        },
      });
      const client = await kit.join(t, server);
      const reply = client.request("wait");
      await until("it has begun", () => server.sessionCount === 1);
      client.abandon();
      await until("it is detached", () => client.state === "disconnected");
      release();
      assert.equal(await client.switchTo(server.urls[0]!), true);
      const answered = await reply;
      assert.equal(answered.status === "success" && Buffer.from(answered.payload).toString(), "done");
    });

    test("replaces a connection that is still there, whose late frames are nobody's", async (t) => {
      const got: string[] = [];
      const server = await kit.serve(t, { message: (_session, message) => got.push(message.text()) });
      const client = await kit.join(t, server);
      client.send("before");
      // Of two connections nobody says which comes first: its commit is not to be overtaken by the hello that resumes it.
      await until("it has begun", () => server.sessionCount === 1);
      assert.equal(await client.switchTo(server.urls[0]!), true);
      client.send("after");
      await until("both have come", () => got.length === 2);
      assert.deepEqual(got, ["before", "after"]);
      await until("the old connection is gone", () => server.connectionCount === 1);
      assert.equal(server.sessionCount, 1);
    });

    test("is one thing at a time: who asks for it twice at once loses nothing", async (t) => {
      const got: string[] = [];
      let hellos = 0;
      let resumed = deferred();
      const server = await kit.serve(t, {
        // The second one is late: what it says has been overtaken by the first.
        authenticate: async () => {
          hellos += 1;
          if (hellos === 2) await resumed.promise;
        },
        resumed: () => resumed.resolve(),
        message: (_session, message) => got.push(message.text()),
      });
      const client = await kit.join(t, server);
      await until("it has begun", () => server.sessionCount === 1);
      const { id } = client;
      const [url] = server.urls;
      const rounds = 5;
      for (let round = 0; round < rounds; round += 1) {
        client.abandon();
        await until("it is detached", () => client.state === "disconnected");
        client.send(`${round}`);
        hellos = 0;
        resumed = deferred();
        const both = [client.switchTo(url!), client.switchTo("nowhere"), client.switchTo(url!)];
        const outcomes = await Promise.allSettled(both);
        assert.deepEqual(
          outcomes.map((outcome) => outcome.status === "fulfilled" && outcome.value),
          [true, false, true],
        );
      }
      await until("all have come", () => got.length === rounds);
      assert.deepEqual(got, ["0", "1", "2", "3", "4"]);
      assert.deepEqual([client.id, client.state], [id, "connected"]);
      client.abandon();
      await until("it is detached", () => client.state === "disconnected");
      const late = [client.switchTo(url!), client.switchTo(url!)];
      const closed = client.close();
      for (const outcome of await Promise.allSettled(late)) assert.equal(outcome.status, "rejected");
      assert.equal((await closed).by, "local");
    });

    test("ends with its window, and then begins anew", async (t) => {
      const ends: SessionEnd[] = [];
      const server = await kit.serve(t, { close: (_session, end) => ends.push(end) }, { resumeWindowMs: 50 });
      const client = await kit.join(t, server);
      await until("it has begun", () => server.sessionCount === 1);
      const { id } = client;
      client.abandon();
      await until("the session has ended", () => ends.length === 1);
      assert.equal(ends[0]!.by, "expired");
      assert.equal(await client.switchTo(server.urls[0]!), false);
      assert.notEqual(client.id, id);
      client.send("still works");
      await until("it has begun anew", () => server.sessionCount === 1);
    });

    test("that ends behind its welcome tells who comes how, as it would have on the connection before", async (t) => {
      for (const code of [CloseCode.exhausted, CloseCode.normal, 300]) {
        const opened = deferred<Session>();
        const server = await kit.serve(t, { open: (session) => opened.resolve(session as Session) });
        const first = await RawClient.connect(t, kit.under, server);
        const { session: id, resume } = readWelcome(await first.begin());
        const session = await opened.promise;
        const second = await RawClient.connect(t, kit.under, server);
        const resumption = { session: id, resume, cursors: new Map<number, number>() };
        second.say(encodeHello({ ...hello, resumption }));
        assert.equal(readWelcome(await second.next()).resumed, true);
        session.close({ code, reason: "enough" });
        second.say({ kind: Kind.Commit });
        const { by, code: told, reason } = await second.closed;
        assert.deepEqual([by, told, reason], ["peer", code, "enough"]);
      }
    });

    test("answers the server's next session nothing that the last one has asked", async (t) => {
      const ends: SessionEnd[] = [];
      const server = await kit.serve(t, { close: (_session, end) => ends.push(end) }, { resumeWindowMs: 50 });
      const answers = { old: deferred<string>(), new: deferred<string>() };
      const asked: string[] = [];
      const answer = (_session: unknown, { subject }: { readonly subject: string }) => {
        asked.push(subject);
        return answers[subject as "old" | "new"].promise;
      };
      const client = await kit.join(t, server, {}, { request: answer });
      await until("it has begun", () => server.sessionCount === 1);
      const lost = server.request(client.id, "old");
      await until("the first is asked", () => asked.length === 1);
      client.abandon();
      await until("the session has ended", () => ends.length === 1);
      assert.equal((await lost).status, "failure");
      assert.equal(await client.switchTo(server.urls[0]!), false);
      await until("it has begun anew", () => server.sessionCount === 1);
      const reply = server.request(client.id, "new"); // by the same number
      await until("the second is asked", () => asked.length === 2);
      answers.old.resolve("stale");
      await answers.old.promise;
      answers.new.resolve("fresh");
      const answered = await reply;
      assert.equal(answered.status === "success" && Buffer.from(answered.payload).toString(), "fresh");
    });

    test("is refused to who shows a token of before the last, which a thief may have seen", async (t) => {
      const server = await kit.serve(t, {});
      const first = await RawClient.connect(t, kit.under, server);
      const { session, resume: old } = readWelcome(await first.begin());
      await until("it has begun", () => server.sessionCount === 1);
      const resumeBy = async (resume: Uint8Array) => {
        const peer = await RawClient.connect(t, kit.under, server);
        const resumption = { session, resume, cursors: new Map<number, number>() };
        return readWelcome(await peer.begin(encodeHello({ ...hello, resumption })));
      };
      const next = await resumeBy(old);
      assert.equal(next.resumed, true);
      await until("it goes on", () => server.sessions().sessions[0]!.info.resumptions === 1);
      const stolen = await resumeBy(old);
      assert.equal(stolen.resumed, false);
      assert.notDeepEqual(stolen.session, session);
      assert.equal((await resumeBy(next.resume)).resumed, true);
    });
  });
}
