import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { SessionRefusedError } from "millrace";
import { RejectCode, refuse, type Session, type SessionEnd } from "millrace/server";
import { deferred } from "../../kit/deferred.js";
import { until } from "../../kit/until.js";
import type { SessionKit } from "./kit.js";

export function describeHandshake(kit: SessionKit): void {
  describe("beginning a session", () => {
    test("authenticates a client by its token, and gives the session what that returned", async (t) => {
      const opened = deferred<Session<{ name: string }>>();
      const server = await kit.serve<{ name: string }>(t, {
        authenticate: (hello, context) => {
          assert.equal(context.transport.length > 0, true);
          assert.match(context.remoteAddress.address, /./);
          return hello.tokenText === "open sesame" ? { name: hello.clientId! } : refuse();
        },
        open: (session) => opened.resolve(session),
      });
      const client = await kit.join(t, server, { clientId: "ali", token: "open sesame" });
      const session = await opened.promise;
      assert.deepEqual(session.data, { name: "ali" });
      assert.equal(session.clientId, "ali");
      assert.equal(client.clientId, "ali");
      assert.equal(session.id, client.id);
      assert.match(session.id, /^[0-9a-f]{32}$/);
      assert.equal(server.session(session.id), session);
      assert.deepEqual(server.sessionsOf("ali"), [session]);
      assert.equal(server.sessionCount, 1);
    });

    test("finds a server by a list of URLs, where the first of them may be of no use", async (t) => {
      const server = await kit.serve(t, {});
      const [url] = server.urls;
      const gone = await kit.serve(t, {});
      const [dead] = gone.urls;
      await gone.close({ graceful: false });
      const client = await kit.join(t, { urls: [dead!, url!] }, { connectTimeoutMs: 2_000 });
      await until("it has begun", () => server.sessionCount === 1);
      assert.equal(client.state, "connected");
    });

    test("refuses who does not prove itself, whoever that is, in the same words", async (t) => {
      const server = await kit.serve(t, {
        authenticate: async ({ clientId, tokenText }) => {
          if (clientId === "nobody") return refuse();
          return tokenText === "right" ? {} : refuse();
        },
      });
      const refusals = [];
      for (const clientId of ["ali", "nobody"]) {
        const error = await kit.join(t, server, { clientId, token: "wrong" }).then(
          () => assert.fail("it was let in"),
          (cause: unknown) => cause,
        );
        assert.ok(error instanceof SessionRefusedError);
        refusals.push([error.rejectCode, error.message, error.retryAfterMs]);
      }
      assert.deepEqual(refusals[0], refusals[1]);
      assert.equal(refusals[0]![0], RejectCode.unauthenticated);
      assert.equal(server.sessionCount, 0);
      await until("their connections are gone", () => server.connectionCount === 0);
    });

    test("tells clients of a fault of its own that it is one, and the application which", async (t) => {
      const faults: unknown[] = [];
      const fault = new Error("the database of accounts is away");
      const server = await kit.serve(t, {
        authenticate: ({ clientId }) => {
          if (clientId === "at once") throw fault;
          return Promise.reject(fault);
        },
        error: (session, cause) => void faults.push(session, String(cause)),
      });
      for (const clientId of ["at once", "later"]) {
        const error = await kit.join(t, server, { clientId }).then(
          () => assert.fail("it was let in"),
          (cause: unknown) => cause,
        );
        assert.ok(error instanceof SessionRefusedError);
        assert.equal(error.rejectCode, RejectCode.internal);
        assert.match(error.message, /a fault of the server/);
        assert.doesNotMatch(error.message, /database/);
      }
      await until("both are told", () => faults.length === 4);
      assert.deepEqual(faults, [undefined, String(fault), undefined, String(fault)]);
    });

    test("gives nobody the session id or the client id that it asks for, where authenticate says otherwise", async (t) => {
      const server = await kit.serve(t, {
        authenticate: (_hello, context) => {
          context.clientId = "bob";
          return {};
        },
      });
      const client = await kit.join(t, server, { clientId: "admin" });
      assert.equal(client.clientId, "bob");
      assert.deepEqual(server.sessionsOf("admin"), []);
    });

    test("ends the session for both when either side closes it", async (t) => {
      const ends: SessionEnd[] = [];
      const server = await kit.serve(t, { close: (_session, end) => ends.push(end) });
      const first = await kit.join(t, server);
      await first.close({ code: 300, reason: "enough" });
      await until("the server has heard", () => ends.length === 1);
      assert.deepEqual(ends[0], { by: "peer", code: 300, reason: "enough" });
      const second = await kit.join(t, server);
      await until("it has begun", () => server.sessionCount === 1);
      assert.equal(server.closeSession(second.id, { code: 301, reason: "go" }), true);
      const { by, code, reason } = await second.closed;
      assert.deepEqual({ by, code, reason }, { by: "peer", code: 301, reason: "go" });
      await until("the server has told", () => ends.length === 2);
      assert.deepEqual(ends[1], { by: "local", code: 301, reason: "go" });
      assert.equal(server.sessionCount, 0);
    });

    test("may be ended by both at once, with acknowledgements still to be told", async (t) => {
      const server = await kit.serve(t, {});
      const closing = deferred<unknown>();
      const client = await kit.join(
        t,
        server,
        {},
        {
          // What came with the message has been taken then: the server's end.
          message: (session) => queueMicrotask(() => closing.resolve(session.close())),
        },
      );
      await until("it has begun", () => server.sessionCount === 1);
      server.sendTo(client.id, "last words");
      server.closeSession(client.id);
      await closing.promise;
      await client.closed;
      await until("it is gone", () => server.sessionCount === 0);
    });

    test("ends the old session of a client id that connects again, refuses the new one, or has both", async (t) => {
      for (const [sameClient, left] of [
        ["replace", 1],
        ["reject", 1],
        ["allow", 2],
      ] as const) {
        const server = await kit.serve(t, {}, { sameClient });
        const first = await kit.join(t, server, { clientId: "ali" });
        await until("it has begun", () => server.sessionCount === 1);
        const second = kit.join(t, server, { clientId: "ali" });
        if (sameClient === "reject") await assert.rejects(second, SessionRefusedError);
        else await second;
        await until("that is settled", () => server.sessionsOf("ali").length === left);
        if (sameClient === "replace") assert.equal((await first.closed).by, "peer");
        else assert.equal(first.state, "connected");
        await server.close({ graceful: false });
      }
    });
  });
}
