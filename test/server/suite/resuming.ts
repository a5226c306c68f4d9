import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { SessionEnd } from "millrace/server";
import { deferred } from "../../kit/deferred.js";
import { until } from "../../kit/until.js";
import type { SessionKit } from "./kit.js";

export function describeResuming(kit: SessionKit): void {
  describe("resuming a session", () => {
    test("goes on where it was cut off: nothing lost, nothing twice, in order, both ways", async (t) => {
      const atServer: string[] = [];
      let resumed = 0;
      const server = await kit.serve(t, {
        message: (_session, message) => atServer.push(message.text()),
        resumed: () => {
          resumed += 1;
        },
      });
      const atClient: string[] = [];
      const client = await kit.join(
        t,
        server,
        {},
        { message: (_session, message) => atClient.push(message.text()) },
      );
      await until("it has begun", () => server.sessionCount === 1);
      const { id } = client;
      const rounds = 5;
      const each = 200;
      for (let round = 0; round < rounds; round += 1) {
        for (let i = 0; i < each; i += 1) {
          assert.notEqual(client.send(`${round * each + i}`), "dropped");
          assert.notEqual(server.sendTo(id, `${round * each + i}`), "dropped");
          if (i === each / 2) client.abandon();
        }
        await until("it is detached", () => client.state === "detached");
        assert.equal(await client.resume(server.urls[0]!), true);
        assert.equal(client.id, id);
      }
      const expected = Array.from({ length: rounds * each }, (_, i) => String(i));
      await until(
        "all has come",
        () => atServer.length >= expected.length && atClient.length >= expected.length,
      );
      assert.deepEqual(atServer, expected);
      assert.deepEqual(atClient, expected);
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
      await until("it is detached", () => client.state === "detached");
      release();
      assert.equal(await client.resume(server.urls[0]!), true);
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
      assert.equal(await client.resume(server.urls[0]!), true);
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
        await until("it is detached", () => client.state === "detached");
        client.send(`${round}`);
        hellos = 0;
        resumed = deferred();
        const both = [client.resume(url!), client.resume("nowhere"), client.resume(url!)];
        const outcomes = await Promise.allSettled(both);
        assert.deepEqual(
          outcomes.map((outcome) => outcome.status === "fulfilled" && outcome.value),
          [true, false, true],
        );
      }
      await until("all have come", () => got.length === rounds);
      assert.deepEqual(got, ["0", "1", "2", "3", "4"]);
      assert.deepEqual([client.id, client.state], [id, "open"]);
      client.abandon();
      await until("it is detached", () => client.state === "detached");
      const late = [client.resume(url!), client.resume(url!)];
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
      assert.equal(await client.resume(server.urls[0]!), false);
      assert.notEqual(client.id, id);
      client.send("still works");
      await until("it has begun anew", () => server.sessionCount === 1);
    });

    test("is refused to who has not the newest token, or is another client", async (t) => {
      const server = await kit.serve(t, {});
      const victim = await kit.join(t, server, { clientId: "victim" });
      await until("it has begun", () => server.sessionCount === 1);
      assert.equal(await victim.resume(server.urls[0]!), true);
      // A token of before the rotation: what a thief may have seen.
      const thief = await kit.join(t, server, { clientId: "thief" });
      assert.notEqual(thief.id, victim.id);
      await until("both have begun", () => server.sessionCount === 2);
      assert.equal(victim.state, "open");
    });
  });
}
