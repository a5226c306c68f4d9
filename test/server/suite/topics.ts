import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { ClientBehaviour, Cursor } from "millrace/client";
import { FailureCode, type PublishResult, RequestFailure, type Session } from "millrace/server";
import { readGap } from "#internal/delivery/gap.js";
import { encodeHello } from "#internal/delivery/hello.js";
import { readWelcome } from "#internal/delivery/welcome.js";
import { Kind } from "#internal/frame/frame.js";
import { encodeCursor } from "#internal/topic/cursor.js";
import { deferred } from "../../kit/deferred.js";
import { until } from "../../kit/until.js";
import type { SessionKit } from "./kit.js";
import { hello, RawClient } from "./raw_client.js";

export function describeTopics(kit: SessionKit): void {
  /** Several threads do not count together whom they give a publication to. */
  const reaches = ({ recipients }: PublishResult, count: number): void => {
    if (kit.threads === 1) assert.equal(recipients, count);
  };

  describe("topics", () => {
    test("bring what is published to those who subscribe, once each, by wildcards too", async (t) => {
      const server = await kit.serve(t, { subscribe: () => true });
      const got: string[] = [];
      const join = async (name: string, ...patterns: string[]) => {
        const client = await kit.join(
          t,
          server,
          {},
          { publication: (_session, { topic, text }) => got.push(`${name} ${topic} ${text()}`) },
        );
        for (const pattern of patterns) await client.subscribe(pattern);
      };
      await join("one", "room.1");
      await join("all", "room.>", "room.*");
      await join("other", "hall.1");
      reaches(server.publish("room.1", "a"), 2);
      reaches(server.publish("room.2.x", "b"), 1);
      reaches(server.publish("nowhere", "c"), 0);
      await until("all have come", () => got.length === 3);
      assert.deepEqual(got.sort(), ["all room.1 a", "all room.2.x b", "one room.1 a"]);
    });

    test("are closed to clients unless the application opens them", async (t) => {
      const closed = await kit.serve(t, {});
      const refused = (cause: unknown) =>
        cause instanceof RequestFailure && cause.code === FailureCode.forbidden;
      const stranger = await kit.join(t, closed);
      await assert.rejects(stranger.subscribe("room.1"), refused);
      await assert.rejects(stranger.publish("room.1", "x"), refused);
      const server = await kit.serve(t, {
        subscribe: async (session, pattern) => pattern === `user.${session.clientId}`,
        publish: (_session, subject, payload) => subject === "room.1" && payload.length < 10,
      });
      const client = await kit.join(t, server, { clientId: "ali" });
      await client.subscribe("user.ali");
      await assert.rejects(client.subscribe("user.*"), refused);
      await assert.rejects(client.publish("room.1", "much too long"), refused);
      await client.publish("room.1", "short");
      for (const malformed of ["", "a..b", "a b", "a\0", "a.>.b"]) {
        await assert.rejects(client.subscribe(malformed), RequestFailure, malformed);
      }
      await client.unsubscribe("user.ali");
      reaches(server.publish("user.ali", "x"), 0);
    });

    test("give back what was missed, and say so where it is lost", async (t) => {
      const server = await kit.serve(
        t,
        { subscribe: () => true },
        { topics: { history: { "room.>": { count: 3 } } } },
      );
      const got: string[] = [];
      let last: Cursor | undefined;
      const client = await kit.join(
        t,
        server,
        {},
        {
          publication: (_session, { text, cursor }) => {
            got.push(text());
            last = cursor;
          },
        },
      );
      server.publish("room.1", "0");
      const first = await client.subscribe("room.1", { from: "oldest" });
      assert.equal(first.recovered, true);
      await until("the history has come", () => got.length === 1);
      client.abandon();
      await until("it is detached", () => client.state === "disconnected");
      await until(
        "the server knows",
        () => server.sessions({ where: ({ state }) => state === "detached" }).sessions.length === 1,
      );
      server.publish("room.1", "1");
      server.publish("room.1", "2");
      assert.equal(await client.switchTo(server.urls[0]!), true);
      await until("what was missed has come", () => got.length === 3);
      const old = last!;
      for (const text of ["3", "4", "5", "6"]) server.publish("room.1", text);
      await until("those have come", () => got.length === 7);
      assert.deepEqual(got, ["0", "1", "2", "3", "4", "5", "6"]);
      const late = await kit.join(t, server);
      const lost = await late.subscribe("room.1", { from: old });
      assert.equal(lost.recovered, false);
      assert.equal(lost.gap?.oldest, 5);
    });

    test("give again what was on its way when a connection broke, by wildcards too", async (t) => {
      const history = { "room.>": { count: 1_000 } };
      const server = await kit.serve(t, { subscribe: () => true }, { topics: { history } });
      const got: string[] = [];
      const gaps: string[] = [];
      const behaviour: ClientBehaviour = {
        publication: (_session, { topic, text }) => got.push(`${topic} ${text()}`),
        gap: (_session, { topic }) => gaps.push(`${topic}`),
      };
      const client = await kit.join(t, server, {}, behaviour);
      await client.subscribe("room.*");
      const rounds = 5;
      const each = 30;
      for (let round = 0; round < rounds; round += 1) {
        for (let i = 0; i < each; i += 1) {
          for (const topic of ["room.1", "room.2", `room.only${round}`]) {
            server.publish(topic, `${round * each + i}`);
          }
          if (i === each / 2) client.abandon();
        }
        await until("it is detached", () => client.state === "disconnected");
        assert.equal(await client.switchTo(server.urls[0]!), true);
      }
      await until("all have come", () => got.length >= rounds * each * 3);
      for (const topic of ["room.1", "room.2"]) {
        const expected = Array.from({ length: rounds * each }, (_, i) => `${topic} ${i}`);
        assert.deepEqual(
          got.filter((line) => line.startsWith(`${topic} `)),
          expected,
        );
      }
      assert.equal(new Set(got).size, rounds * each * 3);
      assert.deepEqual(gaps, []);
    });

    test("go on under wildcards where a client was in each of them, when the server has lost its session", async (t) => {
      const server = await kit.serve(
        t,
        { subscribe: () => true },
        { resumeWindowMs: 50, topics: { history: { "room.>": { count: 3 } } } },
      );
      const publish = async (topic: string, ...texts: string[]) => {
        for (const text of texts) await server.publish(topic, text).outcome;
      };
      const got: string[] = [];
      const gaps: unknown[] = [];
      const client = await kit.join(
        t,
        server,
        {},
        {
          publication: (_session, { topic, text }) => got.push(`${topic} ${text()}`),
          gap: (_session, missed) => {
            if (missed.topic !== undefined) gaps.push([missed.topic, missed.after?.sequence]);
          },
        },
      );
      await client.subscribe("room.*");
      await publish("room.1", "a");
      await publish("room.2", "a");
      await publish("hall", "not for it");
      await until("both have come", () => got.length === 2);
      client.abandon();
      await until(
        "the session has ended",
        () => client.state === "disconnected" && server.sessionCount === 0,
      );
      await publish("room.1", "b");
      await publish("room.2", "b", "c", "d", "e");
      await publish("room.3", "before anybody knew of it");
      assert.equal(await client.switchTo(server.urls[0]!), false);
      await until("the pattern is known to have gaps", () => gaps.length === 2);
      await publish("room.1", "c");
      await until("the next is heard", () => got.at(-1) === "room.1 c");
      const heard = (topic: string) => got.filter((line) => line.startsWith(topic));
      assert.deepEqual(heard("room.1"), ["room.1 a", "room.1 b", "room.1 c"]);
      assert.deepEqual(heard("room.2"), ["room.2 a", "room.2 c", "room.2 d", "room.2 e"]);
      assert.equal(got.length, 7);
      assert.deepEqual(gaps, [
        ["room.2", 1],
        ["room.*", undefined],
      ]);
    });

    test("tell a client that is back of what was on its way and is not kept", async (t) => {
      const server = await kit.serve(t, { subscribe: () => true });
      const before = await RawClient.connect(t, kit.under, server);
      const { session, resume } = readWelcome(await before.begin());
      before.say({ kind: Kind.Subscribe, seq: 1, type: 1, subject: "room.1" });
      assert.equal((await before.next()).kind, Kind.Response);
      const { cursor } = server.publish("room.1", "had");
      server.publish("room.1", "on its way");

      const back = await RawClient.connect(t, kit.under, server);
      const places = new Map([["room.1", encodeCursor(cursor!)]]);
      await back.begin(
        encodeHello({ ...hello, resumption: { session, resume, cursors: new Map([[0, 1]]), places } }),
      );
      let gap = await back.next();
      while (gap.kind !== Kind.Gap) gap = await back.next();
      assert.deepEqual(readGap(gap), { topic: "room.1", epoch: cursor!.epoch, oldest: 3 });
    });

    test("go on behind those that waited when a connection broke, with no gap told behind them", async (t) => {
      const opened = deferred<Session>();
      const server = await kit.serve(t, {
        subscribe: () => true,
        open: (session) => opened.resolve(session),
      });
      const before = await RawClient.connect(t, kit.under, server);
      const small = { ...hello, windowBytes: 1_000 };
      const { session, resume } = readWelcome(await before.begin(encodeHello(small)));
      before.say({ kind: Kind.Subscribe, seq: 1, type: 1, subject: "room.1" });
      assert.equal((await before.next()).kind, Kind.Response);
      const { cursor } = server.publish("room.1", "had");
      server.publish("room.1", "on its way");
      // It acknowledges nothing: so much fills its window, and what follows waits.
      for (let i = 0; i < 3; i += 1) (await opened.promise).send(new Uint8Array(500));
      reaches(server.publish("room.1", "waited"), 1);

      const back = await RawClient.connect(t, kit.under, server);
      const places = new Map([["room.1", encodeCursor(cursor!)]]);
      const resumption = { session, resume, cursors: new Map([[0, 1]]), places };
      assert.equal(readWelcome(await back.begin(encodeHello({ ...hello, resumption }))).resumed, true);
      const got: string[] = [];
      while (got.at(-1) !== "waited") {
        const { kind, payload } = await back.next();
        if (kind === Kind.Gap) got.push("gap");
        if (kind === Kind.Publish) got.push(Buffer.from(payload).toString());
      }
      server.publish("room.1", "new");
      while (got.at(-1) !== "new") {
        const { kind, payload } = await back.next();
        if (kind === Kind.Gap) got.push("gap");
        if (kind === Kind.Publish) got.push(Buffer.from(payload).toString());
      }
      assert.deepEqual(got, ["waited", "new"]);
    });

    test("tell a client of what has given way in its queue, though nothing more is published there", async (t) => {
      const opened = deferred<Session>();
      const server = await kit.serve(
        t,
        { subscribe: () => true, open: (session) => opened.resolve(session) },
        { queuePolicy: "drop-oldest", queueBytes: 4_096 },
      );
      const client = await RawClient.connect(t, kit.under, server);
      await client.begin(encodeHello({ ...hello, windowBytes: 700 }));
      client.say({ kind: Kind.Subscribe, seq: 1, type: 1, subject: ">" });
      const session = await opened.promise;
      const first = await client.next();
      for (let i = 0; i < 2; i += 1) session.send(new Uint8Array(500)); // so much fills its window: what follows waits
      for (const topic of ["room.1", "room.2", "room.1"]) server.publish(topic, "waits");
      for (let i = 0; i < 20; i += 1) session.send(new Uint8Array(500));
      session.send("last");
      const gaps: unknown[] = [];
      let frame = first;
      for (let text = ""; text !== "last"; text = Buffer.from(frame.payload).toString()) {
        client.say({ kind: Kind.Ack, ref: frame.seq });
        frame = await client.next();
        assert.notEqual(frame.kind, Kind.Publish);
        if (frame.kind !== Kind.Gap) continue;
        const { topic, oldest } = readGap(frame);
        gaps.push([topic, oldest]);
      }
      // Each topic has an order of its own: in several threads their homes are different ones.
      if (kit.threads > 1) gaps.sort();
      assert.deepEqual(gaps, [
        ["room.1", 3],
        ["room.2", 2],
      ]);
    });

    test("leave out a client that takes no message so large, and tell it so", async (t) => {
      const server = await kit.serve(t, { subscribe: () => true });
      const got: string[] = [];
      const behaviour: ClientBehaviour = {
        publication: (_session, { payload }) => got.push(`${payload.length} B`),
        gap: (_session, missed) => {
          if (missed.topic !== undefined)
            got.push(`${missed.topic} has a gap after ${missed.after?.sequence}`);
        },
      };
      const small = await kit.join(t, server, { maxMessageBytes: 1_000 }, behaviour);
      await small.subscribe("room.1");
      reaches(server.publish("room.1", new Uint8Array(1_000)), 1);
      reaches(server.publish("room.1", new Uint8Array(1_001)), 0);
      server.publish("room.1", new Uint8Array(3));
      await until("the last has come", () => got.length === 3);
      assert.deepEqual(got, ["1000 B", "room.1 has a gap after 1", "3 B"]);
      assert.equal(small.state, "connected");
    });

    test("leave out what is too large of what was kept, too, and go on behind it", async (t) => {
      const history = { "room.>": { count: 10 } };
      const server = await kit.serve(t, { subscribe: () => true }, { topics: { history } });
      for (const bytes of [1, 1_001, 2]) server.publish("room.1", new Uint8Array(bytes));
      const got: string[] = [];
      const behaviour: ClientBehaviour = {
        publication: (_session, { payload }) => got.push(`${payload.length} B`),
        gap: (_session, { topic }) => got.push(`${topic} has a gap`),
      };
      const small = await kit.join(t, server, { maxMessageBytes: 1_000 }, behaviour);
      await small.subscribe("room.1", { from: "oldest" });
      server.publish("room.1", new Uint8Array(3));
      await until("the last has come", () => got.at(-1) === "3 B");
      assert.deepEqual(got, ["1 B", "room.1 has a gap", "2 B", "3 B"]);
    });

    test("end with their session", async (t) => {
      const server = await kit.serve(t, { subscribe: () => true });
      const client = await kit.join(t, server);
      await client.subscribe("room.1");
      assert.equal(server.topicStatistics.subscriptions, 1);
      await client.close();
      await until("the server has heard", () => server.topicStatistics.subscriptions === 0);
    });
  });
}
