import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { describe, test } from "node:test";
import { FailureCode, RequestFailure, type Session } from "millrace/server";
import { deferred } from "../../kit/deferred.js";
import { until } from "../../kit/until.js";
import type { SessionKit } from "./kit.js";

export function describeSessionMessages(kit: SessionKit): void {
  describe("messages and requests", () => {
    test("come in order, both ways, whatever their size", async (t) => {
      const server = await kit.serve(t, {
        message: (session, message) => {
          session.send(message.payload, { type: message.type });
        },
      });
      const sent = [0, 1, 100, 5_000, 70_000, 900_000].map((size) => randomBytes(size));
      const back: Buffer[] = [];
      const client = await kit.join(
        t,
        server,
        {},
        {
          message: (_session, message) => {
            assert.equal(message.type, 7);
            back.push(Buffer.from(message.copy().payload));
          },
        },
      );
      for (const bytes of sent) {
        await until("there is room", () => client.bytesQueued < 100_000);
        assert.notEqual(client.send(bytes, { type: 7 }), "dropped");
      }
      await until("all are back", () => back.length === sent.length);
      assert.deepEqual(back, sent);
    });

    test("are answered: with a result, a failure with its reason, or not in time", async (t) => {
      const server = await kit.serve(t, {
        requests: {
          double: (_session, request) => String(Number(request.text()) * 2),
          later: async (_session, request) => `later ${request.text()}`,
          fail: () => {
            throw new RequestFailure("no more of these", 1_234);
          },
          crash: () => {
            throw new Error("a secret");
          },
          never: () => new Promise<never>(() => {}),
        },
        error: () => {},
      });
      const client = await kit.join(t, server);
      const text = (reply: Awaited<ReturnType<typeof client.request>>) =>
        reply.status === "success" ? Buffer.from(reply.payload).toString() : reply;
      assert.equal(text(await client.request("double", "21")), "42");
      assert.equal(text(await client.request("later", "on")), "later on");
      assert.deepEqual(await client.request("fail"), {
        status: "failure",
        code: 1_234,
        reason: "no more of these",
      });
      const crashed = await client.request("crash");
      assert.equal(crashed.status === "failure" && crashed.code, FailureCode.internal);
      assert.doesNotMatch(JSON.stringify(crashed), /secret/);
      const unknown = await client.request("__proto__");
      assert.equal(unknown.status === "failure" && unknown.code, FailureCode.unknownSubject);
      assert.deepEqual(await client.request("never", "", { timeoutMs: 50 }), { status: "timeout" });
    });

    test("are asked by the server, too", async (t) => {
      const opened = deferred<Session>();
      const server = await kit.serve(t, { open: (session) => opened.resolve(session) });
      await kit.join(t, server, { clientId: "thermometer" }, { requests: { temperature: () => "21.5" } });
      await opened.promise;
      const reply = await server.request({ clientId: "thermometer" }, "temperature");
      assert.equal(reply.status === "success" && Buffer.from(reply.payload).toString(), "21.5");
    });

    test("reach all sessions of a broadcast, and those of a client id", async (t) => {
      const server = await kit.serve(t, {}, { sameClient: "allow" });
      const got: string[] = [];
      const join = (clientId: string) =>
        kit.join(
          t,
          server,
          { clientId },
          { message: (_session, message) => got.push(`${clientId} ${message.text()}`) },
        );
      await Promise.all([join("a"), join("a"), join("b")]);
      await until("all have begun", () => server.sessionCount === 3);
      assert.equal(server.broadcast("all"), 3);
      assert.equal(server.sendTo({ clientId: "a" }, "both"), "sent");
      assert.equal(server.sendTo({ clientId: "c" }, "nobody"), "gone");
      await until("all have come", () => got.length === 5);
      assert.deepEqual(got.sort(), ["a all", "a all", "a both", "a both", "b all"]);
    });
  });
}
