import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { CloseCode, InvalidArgumentError } from "millrace";
import { FailureCode, type Message, RequestFailure, type Session } from "millrace/server";
import { deferred } from "../../kit/deferred.js";
import { until } from "../../kit/until.js";
import type { SessionKit } from "./kit.js";
import { RawClient } from "./raw_client.js";

export function describeMessageIds(kit: SessionKit): void {
  describe("message ids", () => {
    test("have a message handled once, whichever way it comes again, and acknowledged as the first one is", async (t) => {
      const kept: Message[] = [];
      const server = await kit.serve(t, { message: (_session, message) => kept.push(message.copy()) });
      const client = await kit.join(t, server);
      const first = client.sendAcked("pay", { messageId: "order 1", level: "read" });
      const again = client.sendAcked("pay", {
        messageId: Buffer.from("order 1"),
        level: "delivered",
        priority: "high",
      });
      await client.sendAcked("other");
      assert.deepEqual(
        kept.map((message) => message.text()),
        ["pay", "other"],
      );
      assert.deepEqual(kept[0]!.messageId, new Uint8Array(Buffer.from("order 1")));
      assert.equal(kept[1]!.messageId, undefined);
      kept[0]!.confirm("delivered");
      assert.deepEqual(await again, { status: "acknowledged", level: "delivered" });
      kept[0]!.confirm("read");
      assert.deepEqual(await first, { status: "acknowledged", level: "read" });
      const late = await client.sendAcked("pay", { messageId: "order 1", level: "read" });
      assert.deepEqual(late, { status: "acknowledged", level: "read" });
      assert.equal(client.send("pay", { messageId: "order 1" }), "sent");
      await client.sendAcked("last");
      assert.equal(kept.length, 3);
    });

    test("of another message are refused", async (t) => {
      const got: string[] = [];
      const server = await kit.serve(t, {
        message: (_session, message) => got.push(message.text()),
        request: (_session, request) => request.text(),
      });
      const rejected: number[] = [];
      const client = await kit.join(t, server, {}, { rejected: (_session, { code }) => rejected.push(code) });
      client.send("one", { messageId: "1" });
      for (const level of ["received", "delivered"] as const) {
        const outcome = await client.sendAcked("two", { messageId: "1", level });
        assert.equal(outcome.status === "rejected" && outcome.code, FailureCode.conflict);
      }
      client.send("three", { messageId: "1" });
      await until("all are told", () => rejected.length === 3);
      assert.deepEqual([...new Set(rejected)], [FailureCode.conflict]);
      await client.request("x", "one", { messageId: "2" });
      const reply = await client.request("x", "two", { messageId: "2" });
      assert.equal(reply.status === "failure" && reply.code, FailureCode.conflict);
      assert.deepEqual(got, ["one"]);
    });

    test("have a request done once, and answered as it was", async (t) => {
      let done = 0;
      const release = deferred();
      const server = await kit.serve(t, {
        requests: {
          count: () => String(++done),
          slow: async () => {
            await release.promise;
            return String(++done);
          },
          fail: () => {
            throw new RequestFailure(`no ${++done}`, 1_000);
          },
        },
      });
      const client = await kit.join(t, server);
      const ask = async (subject: string, messageId: string) => {
        const reply = await client.request(subject, "", { messageId });
        return reply.status === "success" ? Buffer.from(reply.payload).toString() : reply;
      };
      assert.deepEqual(
        [await ask("count", "a"), await ask("count", "a"), await ask("count", "b")],
        ["1", "1", "2"],
      );
      const slow = [ask("slow", "c"), ask("slow", "c")];
      await client.sendAcked("both are there");
      release.resolve();
      assert.deepEqual(await Promise.all(slow), ["3", "3"]);
      const failure = { status: "failure", code: 1_000, reason: "no 4" };
      assert.deepEqual([await ask("fail", "d"), await ask("fail", "d")], [failure, failure]);
      assert.equal(done, 4);
    });

    test("are told to a client, whose application may pass over what comes again", async (t) => {
      const opened = deferred<Session>();
      const server = await kit.serve(t, { open: (session) => opened.resolve(session) });
      const ids = new Set<string>();
      await kit.join(
        t,
        server,
        {},
        {
          message: (_session, { messageId }) => ids.add(Buffer.from(messageId!).toString()),
          request: (_session, { messageId }) => messageId,
        },
      );
      const session = await opened.promise;
      for (let i = 0; i < 3; i += 1) session.send("once", { messageId: "m" });
      const reply = await session.request("n", "", { messageId: "r" });
      assert.equal(reply.status === "success" && Buffer.from(reply.payload).toString(), "r");
      assert.deepEqual([...ids], ["m"]);
    });

    test("survive a change of connection", async (t) => {
      let done = 0;
      const server = await kit.serve(t, { requests: { count: () => String(++done) } });
      const client = await kit.join(t, server);
      await until("it has begun", () => server.sessionCount === 1);
      const reply = client.request("count", "", { messageId: "x" });
      client.abandon();
      await until("it is detached", () => client.state === "disconnected");
      const again = client.request("count", "", { messageId: "x" });
      assert.equal(await client.switchTo(server.urls[0]!), true);
      for (const one of [await reply, await again]) {
        assert.equal(one.status === "success" && Buffer.from(one.payload).toString(), "1");
      }
    });

    test("are 1 to 64 bytes, and the session's own: others are refused, a stranger's with its connection", async (t) => {
      const server = await kit.serve(t, {});
      const client = await kit.join(t, server);
      for (const messageId of ["", "x".repeat(65), "ü".repeat(33), new Uint8Array(65), 5 as never]) {
        assert.throws(() => client.send("x", { messageId }), InvalidArgumentError);
        await assert.rejects(client.request("x", "", { messageId }), InvalidArgumentError);
      }
      for (const key of ["id", "ack"]) {
        const meta = [{ key, value: new Uint8Array(4) }];
        assert.throws(() => client.send("x", { meta }), /the session's own/);
      }
      const id = (bytes: number) => ({ key: "id", value: new Uint8Array(bytes) });
      const wrong = [
        [[id(65)], CloseCode.frameMalformed],
        [[id(1), id(1)], CloseCode.protocolViolation],
      ] as const;
      for (const [meta, code] of wrong) {
        const peer = await RawClient.connect(t, kit.under, server);
        await peer.begin();
        peer.say({ kind: 4, seq: 1, meta });
        assert.equal((await peer.closed).code, code);
      }
    });
  });
}
