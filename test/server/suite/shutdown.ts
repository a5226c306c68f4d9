import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Session } from "millrace/server";
import { u32 } from "#internal/delivery/meta.js";
import { Kind } from "#internal/frame/frame.js";
import { CloseCode } from "#internal/transport/close.js";
import { deferred } from "../../kit/deferred.js";
import type { SessionKit } from "./kit.js";
import { RawClient } from "./raw_client.js";

export function describeShutdown({ under, serve, threads }: SessionKit): void {
  describe("a server that stops", () => {
    test("sends first what waits for a client's credit", async (t) => {
      const opened = deferred<Session>();
      const server = await serve(t, { open: (session) => opened.resolve(session) });
      const client = await RawClient.connect(t, under, server);
      await client.begin({ meta: [{ key: "window", value: u32(100, "window") }] });
      const session = await opened.promise;
      session.send(new Uint8Array(200));
      session.send("the last");

      const stopped = server.close();
      const first = await client.next();
      assert.equal((await client.next()).kind, Kind.GoAway);
      assert.equal(first.seq, 1);
      client.say({ kind: Kind.Ack, ref: 1 });
      const last = await client.next();
      assert.equal(Buffer.from(last.payload).toString(), "the last");
      await client.closed;
      await stopped;
    });

    test("answers what was asked, whatever kind of function answers, and what that asks and sends itself", async (t) => {
      const asked = deferred();
      const gate = deferred();
      const server = await serve(t, {
        requests: {
          // No async function: it holds no place of the dispatcher's.
          slow: (session) => {
            asked.resolve();
            return gate.promise.then(async () => {
              session.send("on the way");
              await session.request("more");
              return "done";
            });
          },
        },
      });
      const client = await RawClient.connect(t, under, server);
      await client.begin();
      client.say({ kind: Kind.Request, seq: 1, type: 5, subject: "slow" });
      await asked.promise;
      const stopped = server.close();
      assert.equal((await client.next()).kind, Kind.GoAway);
      gate.resolve();
      assert.equal(Buffer.from((await client.next()).payload).toString(), "on the way");
      const more = await client.next();
      client.say({ kind: Kind.Response, seq: 2, type: more.type });
      const answer = await client.next();
      assert.deepEqual(
        [answer.kind, answer.type, Buffer.from(answer.payload).toString()],
        [Kind.Response, 5, "done"],
      );
      await stopped;
    });

    test("begins nothing more for a session that ends, and says so", async (t) => {
      const opened = deferred<Session>();
      const faults: unknown[] = [];
      const server = await serve(t, {
        open: (session) => opened.resolve(session),
        requests: { late: (session) => session.send("too late") },
        error: (_session, cause) => faults.push(cause),
      });
      const client = await RawClient.connect(t, under, server);
      await client.begin({ meta: [{ key: "window", value: u32(100, "window") }] });
      const session = await opened.promise;
      session.send(new Uint8Array(200));
      session.send("the last");
      await session.close(); // where another thread has it, what a client says now could be first
      client.say({ kind: Kind.Request, seq: 1, type: 5, subject: "late" });
      client.say({ kind: Kind.Request, seq: 2, type: 6, subject: "late", ref: 1 });
      const answers: unknown[] = [];
      for (let i = 0; i < 4; i += 1) {
        const { kind, type, seq } = await client.next();
        if (kind === Kind.Response) answers.push(type);
        if (answers.length < 2) client.say({ kind: Kind.Ack, ref: seq });
      }
      assert.deepEqual([answers, faults], [[5, 6], []]);
      await client.closed;
    });

    test("waits for the answers that it asked for", async (t) => {
      const server = await serve(t, { open: (session) => void session.request("last words") });
      const client = await RawClient.connect(t, under, server);
      await client.begin();
      const request = await client.next();
      const stopped = server.close();
      assert.equal((await client.next()).kind, Kind.GoAway);
      assert.equal(server.sessionCount, 1);
      client.say({ kind: Kind.Response, seq: 1, type: request.type });
      await stopped;
    });

    if (threads > 1) return; // where nothing is under way a thread stops at once
    test("begins no session for who was welcomed before, and has that one come again", async (t) => {
      const asked = deferred();
      const gate = deferred();
      const server = await serve(t, {
        requests: {
          slow: () => {
            asked.resolve();
            return gate.promise;
          },
        },
      });
      const client = await RawClient.connect(t, under, server);
      await client.begin();
      const late = await RawClient.connect(t, under, server);
      late.say({ kind: Kind.Hello, type: 1 });
      assert.equal((await late.next()).kind, Kind.Welcome);
      client.say({ kind: Kind.Request, seq: 1, type: 5, subject: "slow" });
      await asked.promise;
      const stopped = server.close();
      assert.equal((await client.next()).kind, Kind.GoAway);
      late.say({ kind: Kind.Commit });
      assert.equal((await late.closed).code, CloseCode.goingAway);
      gate.resolve();
      await stopped;
    });
  });
}
