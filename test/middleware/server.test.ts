import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { describe, test } from "node:test";
import { SignJWT, UnsecuredJWT } from "jose";
import { CloseCode, type CloseInfo, SessionRefusedError } from "millrace";
import type { ClientSession } from "millrace/client";
import {
  access,
  jwt,
  type LogFields,
  logging,
  rateLimit,
  sharedSecret,
  validation,
} from "millrace/middleware";
import { FailureCode, type Middleware, RejectCode, type Store } from "millrace/server";
import * as v from "valibot";
import { deferred } from "../kit/deferred.js";
import { until } from "../kit/until.js";
import { sessionKit } from "../server/suite/kit.js";

for (const [name, url] of [
  ["TCP", "tcp://127.0.0.1:0"],
  ["WebSocket", "ws://127.0.0.1:0"],
] as const) {
  const kit = sessionKit({ url });

  /** Why a client was not let in. */
  const refusal = async (joining: Promise<ClientSession>): Promise<SessionRefusedError> => {
    const error = await joining.then(
      () => assert.fail("it was let in"),
      (cause: unknown) => cause,
    );
    assert.ok(error instanceof SessionRefusedError);
    return error;
  };

  describe(`middleware at a server over ${name}`, () => {
    test("lets in who has the shared secret, and slows down who guesses", async (t) => {
      const secrets = new Map([["ada", "one"]]);
      // By a clock that stands still: no wait passes however slow the machine is.
      const guard = sharedSecret({ secret: (account) => secrets.get(account), freeGuesses: 2 }, () => 0);
      const server = await kit.serve(t, {}, { middleware: [guard] });
      const client = await kit.join(t, server, { clientId: "ada", token: "one" });
      assert.equal(client.clientId, "ada");
      const attempt = (clientId: string, token: string) => refusal(kit.join(t, server, { clientId, token }));
      for (const account of ["ada", "nobody"]) {
        const codes = [];
        for (let i = 0; i < 3; i += 1) codes.push((await attempt(account, "two")).rejectCode);
        assert.deepEqual(codes, [
          RejectCode.unauthenticated,
          RejectCode.unauthenticated,
          RejectCode.tooOften,
        ]);
      }
      const slowed = await attempt("ada", "one");
      assert.equal(slowed.rejectCode, RejectCode.tooOften);
      assert.ok(slowed.retryAfterMs! > 0);
      assert.equal(server.sessionCount, 1);
    });

    test("logs a session that the server's limits refuse at warn, and one that begins or goes on as connected", async (t) => {
      const log: string[] = [];
      const logger = (level: string, event: string, { clientId, reason, resuming }: LogFields) =>
        log.push([level, event, clientId, reason ?? (resuming ? "again" : "anew")].join(" "));
      const options = { sameClient: "reject" as const, limits: { sessionsPerAddress: 2 } };
      const server = await kit.serve(t, {}, { middleware: [logging({ logger })], ...options });
      const ada = await kit.join(t, server, { clientId: "ada" });
      await until("ada's has begun", () => log.length === 1);
      await refusal(kit.join(t, server, { clientId: "ada" }));
      await kit.join(t, server, { clientId: "bob" });
      await until("bob's has begun", () => log.length === 3);
      await refusal(kit.join(t, server, { clientId: "eve" }));
      ada.abandon();
      await until("it is detached", () => ada.state === "disconnected");
      assert.equal(await ada.switchTo(server.urls[0]!), true);
      await until("it goes on", () => log.length === 5);
      assert.deepEqual(log, [
        "info connected ada anew",
        "warn refused ada the client id has a session already",
        "info connected bob anew",
        "warn refused eve there are as many sessions of this address as may be",
        "info connected ada again",
      ]);
    });

    test("lets in who has a token, under the token's name, and tells authenticate what it said", async (t) => {
      const key = randomBytes(32);
      const issuer = "https://issuer.example";
      const tokens = await jwt<{ role: unknown }>({
        ...{ key, algorithms: ["HS256"], issuer, audience: "millrace", singleUse: true },
      });
      const server = await kit.serve<{ role: unknown }>(
        t,
        { authenticate: (_hello, context) => ({ role: tokens.claims(context)?.role }) },
        { middleware: [tokens] },
      );
      const claims = { iss: issuer, aud: "millrace", sub: "ada", jti: "1", role: "admin" };
      const token = await new SignJWT(claims)
        .setProtectedHeader({ alg: "HS256" })
        .setExpirationTime("1m")
        .sign(key);
      const client = await kit.join(t, server, { clientId: "root", token });
      assert.equal(client.clientId, "ada");
      await until("it is open", () => server.sessionCount === 1);
      assert.deepEqual(server.sessionsOf("ada")[0]?.data, { role: "admin" });
      const unsecured = new UnsecuredJWT({ ...claims, jti: "2" }).setExpirationTime("1m").encode();
      const messages = new Set<string>();
      for (const wrong of [token, unsecured, "", "x.y.z"]) {
        const { rejectCode, message } = await refusal(kit.join(t, server, { token: wrong }));
        assert.equal(rejectCode, RejectCode.unauthenticated);
        messages.add(message);
      }
      assert.deepEqual([...messages], ["the server refused the session: not let in"]);
    });

    test("answers only the requests that the rules allow", async (t) => {
      const rules = { request: { allow: ["user.{clientId}.>"], deny: ["user.*.delete"] } };
      const server = await kit.serve(t, { request: () => "done" }, { middleware: [access({ rules })] });
      const client = await kit.join(t, server, { clientId: "ada" });
      const ask = async (subject: string) => {
        const reply = await client.request(subject);
        return reply.status === "failure" ? reply.code : reply.status;
      };
      assert.equal(await ask("user.ada.get"), "success");
      for (const subject of ["user.bob.get", "user.ada.delete", "other"]) {
        assert.equal(await ask(subject), FailureCode.forbidden);
      }
    });

    test("hands handlers nothing that its schema did not make", async (t) => {
      const checked = validation<undefined>({
        requests: { add: v.object({ a: v.number(), b: v.optional(v.number(), 1) }) },
      });
      const server = await kit.serve<undefined>(
        t,
        {
          requests: {
            add: (_session, request) => {
              assert.deepEqual(request.json(), checked.value(request));
              const { a, b } = checked.value(request) as { a: number; b: number };
              return `${a + b}`;
            },
          },
        },
        { middleware: [checked] },
      );
      const client = await kit.join(t, server);
      const good = await client.request("add", '{"a":2,"c":3}');
      assert.ok(good.status === "success");
      assert.equal(new TextDecoder().decode(good.payload), "3");
      const bad = await client.request("add", '{"a":"2"}');
      assert.ok(bad.status === "failure" && bad.code === FailureCode.malformed);
      assert.match(bad.reason, /^a: /);
    });

    test("fails a request around whose answer it throws, and tells the application", async (t) => {
      const causes: unknown[] = [];
      const broken: Middleware = {
        name: "broken",
        outgoing: (_session, { kind }, next) => {
          if (kind !== "message") throw new Error(`no ${kind}`);
          return next();
        },
      };
      const behaviour = { request: () => "done", error: (_: unknown, cause: unknown) => causes.push(cause) };
      const server = await kit.serve(t, behaviour, { middleware: [broken] });
      const client = await kit.join(t, server, { clientId: "ada" }, { request: () => "never asked" });
      const reply = await client.request("anything");
      assert.equal(reply.status === "failure" && reply.code, FailureCode.internal);
      assert.deepEqual(causes.map(String), ["Error: no response"]);
      await assert.rejects(server.request({ clientId: "ada" }, "anything"), /no request/);
      assert.equal(server.pendingRequests, 0);
    });

    test("is an onion: the first of the list is outermost, around handlers as around the queue", async (t) => {
      const log: string[] = [];
      const layer = (name: string): Middleware => ({
        name,
        connect: async (_hello, context, next) => {
          log.push(`${name} connect ${context.clientId}`);
          context.clientId = `${context.clientId}${name}`;
          return next();
        },
        incoming: (_session, incoming, next) => {
          incoming.payload = Buffer.from(`${Buffer.from(incoming.payload)}${name}`);
          return `${next()}${name}`;
        },
        outgoing: (_session, outgoing, next) => {
          log.push(`${name} ${outgoing.kind} ${Buffer.from(outgoing.payload)}`);
          outgoing.payload = Buffer.from(`${Buffer.from(outgoing.payload)}!`);
          return next();
        },
        close: (session, _end, next) => {
          log.push(`${name} close ${session.clientId}`);
          return next();
        },
      });
      const server = await kit.serve(
        t,
        { request: (_session, request) => `${request.text()}-`, close: () => log.push("close") },
        { middleware: [layer("A"), layer("B")] },
      );
      const client = await kit.join(t, server, { clientId: "x" });
      const reply = await client.request("any", "in");
      assert.equal(reply.status === "success" && reply.text(), "inAB-BA!!");
      await client.close();
      await until("it has ended", () => log.at(-1) === "close");
      assert.deepEqual(log, [
        ...["A connect x", "B connect xA"],
        ...["A response inAB-BA", "B response inAB-BA!"],
        ...["A close xAB", "B close xAB", "close"],
      ]);
    });

    test("sees messages that nobody handles, too: what it refuses is not stored, and counts", async (t) => {
      const stored: (string | undefined)[] = [];
      const store: Store = { durability: "process", append: ({ subject }) => void stored.push(subject) };
      const rules = { message: { allow: ["orders.>"] } };
      const limit = rateLimit({ messagesPerSecond: 0.001, messagesBurst: 2, exceeded: "close" });
      const server = await kit.serve(t, {}, { store, middleware: [access({ rules }), limit] });
      const client = await kit.join(t, server);
      const send = (subject: string) => client.sendAcked("x", { subject, level: "stored" });
      assert.equal((await send("orders.1")).status, "acknowledged");
      const refused = await send("accounts.1");
      assert.equal(refused.status === "rejected" && refused.code, FailureCode.forbidden);
      for (let i = 0; i < 2; i += 1) client.send("x");
      await until("it has sent too much", () => server.sessionCount === 0);
      assert.deepEqual(stored, ["orders.1"]);
    });

    test("sees what is published on its way to each, may change it, and keep it from one, who is told of a gap", async (t) => {
      const causes: string[] = [];
      const layer: Middleware = {
        name: "rooms",
        outgoing: (session, outgoing, next) => {
          if (outgoing.kind !== "publish") return next();
          if (session.clientId === "bob" && outgoing.subject === "room.secret") return "dropped";
          if (session.clientId === "bob" && outgoing.subject === "room.broken")
            throw new Error("not for bob");
          outgoing.payload = Buffer.from(`${Buffer.from(outgoing.payload)} for ${session.clientId}`);
          return next();
        },
      };
      const server = await kit.serve(
        t,
        { subscribe: () => true, error: (_session, cause) => causes.push(String(cause)) },
        { middleware: [layer], topics: { history: { "room.>": { count: 9 } } } },
      );
      const join = async (clientId: string) => {
        const got: string[] = [];
        const client = await kit.join(
          t,
          server,
          { clientId },
          {
            publication: (_session, { topic, text }) => got.push(`${topic} ${text()}`),
            gap: (_session, { topic }) => got.push(`${topic} gap`),
          },
        );
        return { client, got };
      };
      const [ada, bob] = [await join("ada"), await join("bob")];
      await ada.client.subscribe("room.*");
      for (const topic of ["room.secret", "room.broken"]) await bob.client.subscribe(topic);
      for (const topic of ["room.secret", "room.broken"]) server.publish(topic, "one");
      await bob.client.subscribe("room.open");
      server.publish("room.open", "two");
      const last = (name: string) => `room.open two for ${name}`;
      await until("all has come", () => ada.got.at(-1) === last("ada") && bob.got.at(-1) === last("bob"));
      assert.deepEqual(ada.got, ["room.secret one for ada", "room.broken one for ada", last("ada")]);
      assert.deepEqual(bob.got, ["room.secret gap", "room.broken gap", last("bob")]);
      assert.deepEqual(causes, ["Error: not for bob"]);
      // Of what is kept, no less.
      bob.got.length = 0;
      const eve = await join("eve");
      for (const { client } of [bob, eve]) await client.subscribe("room.secret", { from: "oldest" });
      await until("it has come", () => eve.got.length === 1 && bob.got.length === 1);
      assert.deepEqual([...eve.got, ...bob.got], ["room.secret one for eve", "room.secret gap"]);
    });

    test("fails what is above a session's rate, or ends the session", async (t) => {
      const limit = (exceeded: "drop" | "close") =>
        rateLimit({ messagesPerSecond: 0.001, messagesBurst: 2, exceeded });
      const dropping = await kit.serve(t, { request: () => "done" }, { middleware: [limit("drop")] });
      const client = await kit.join(t, dropping);
      const outcomes = [];
      for (let i = 0; i < 3; i += 1) outcomes.push(await client.request("a"));
      assert.deepEqual(
        outcomes.map((reply) => (reply.status === "failure" ? reply.code : reply.status)),
        ["success", "success", FailureCode.overloaded],
      );
      const closing = await kit.serve(t, { message: () => {} }, { middleware: [limit("close")] });
      const ended = deferred<CloseInfo>();
      const flooder = await kit.join(
        t,
        closing,
        {},
        { disconnected: (_session, info) => ended.resolve(info) },
      );
      for (let i = 0; i < 3; i += 1) flooder.send("a");
      const { by, code, reason } = await ended.promise;
      assert.deepEqual(
        { by, code, reason },
        { by: "peer", code: CloseCode.policy, reason: "too much was sent" },
      );
      assert.equal(closing.session(flooder.id), undefined);
    });

    test("makes a session that is too fast wait in order, and takes no place from the others for that", async (t) => {
      const handled: string[] = [];
      const limit = rateLimit<undefined>({ messagesPerSecond: 100, messagesBurst: 1, exceeded: "delay" });
      const slow = rateLimit<undefined>({ messagesPerSecond: 0.001, messagesBurst: 1, exceeded: "delay" });
      const server = await kit.serve<undefined>(
        t,
        {
          message: (session, message) => void handled.push(`${session.clientId} ${message.text()}`),
          request: async () => "done",
        },
        {
          dispatcher: { concurrency: 1 },
          middleware: [
            {
              name: "by-client",
              incoming: async (session, incoming, next) =>
                (session.clientId === "flooder" ? slow : limit).incoming!(session, incoming, next),
            },
          ],
        },
      );
      const flooder = await kit.join(t, server, { clientId: "flooder" });
      for (const text of ["1", "2", "3"]) flooder.send(text); // the second waits a quarter of an hour
      await until("the flooder waits", () => handled.length === 1);
      const client = await kit.join(t, server, { clientId: "ada" });
      for (let i = 0; i < 5; i += 1) client.send(`${i}`);
      assert.equal((await client.request("a")).status, "success");
      const own = ["ada 0", "ada 1", "ada 2", "ada 3", "ada 4"];
      assert.deepEqual(handled, ["flooder 1", ...own]);
    });

    test("logs what clients say on one line", async (t) => {
      const entries: { readonly event: string; readonly fields: LogFields }[] = [];
      const log = logging({
        logger: (_level, event, fields) => entries.push({ event, fields }),
        messages: true,
      });
      const server = await kit.serve(t, { message: () => {} }, { middleware: [log] });
      const client = await kit.join(t, server, { clientId: "ada" });
      client.send("never logged");
      await until("it has come", () => entries.some(({ event }) => event === "received"));
      await client.close({ code: 300, reason: "bye\r\n\u001b[2Jroot logged in" });
      await until("it is closed", () => entries.some(({ event }) => event === "closed"));
      assert.deepEqual(
        entries.map(({ event }) => event),
        ["connected", "received", "closed"],
      );
      assert.equal(entries[2]!.fields.reason, "bye\\u{d}\\u{a}\\u{1b}[2Jroot logged in");
      assert.doesNotMatch(JSON.stringify(entries), /never logged/);
    });
  });
}
