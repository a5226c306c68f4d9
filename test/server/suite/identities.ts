import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { describe, type TestContext, test } from "node:test";
import { CloseCode, type FrameContents, SessionClosedError, SessionRefusedError } from "millrace";
import { type AuthenticateContext, type ClientHello, RejectCode, refuse, type Server } from "millrace/server";
import { encodeHello, type Hello } from "#internal/delivery/hello.js";
import { readReject } from "#internal/delivery/reject.js";
import { sessionVersion } from "#internal/delivery/terms.js";
import { readWelcome } from "#internal/delivery/welcome.js";
import { Kind } from "#internal/frame/frame.js";
import { until } from "../../kit/until.js";
import type { SessionKit } from "./kit.js";
import { RawClient } from "./raw_client.js";

const encoder = new TextEncoder();
const noCursors = new Map<number, number>();

/** Accounts, and what each proves itself with. */
const secrets = new Map([
  ["ali", "ali's"],
  ["bo", "bo's"],
]);

function authenticate({ clientId, tokenText }: ClientHello, context: AuthenticateContext) {
  if (clientId === undefined || secrets.get(clientId) !== tokenText) return refuse();
  context.clientId = clientId;
  return { account: clientId };
}

function hello(clientId: string, token: string, resumption?: Hello["resumption"]): Partial<FrameContents> {
  return encodeHello({
    ...{ version: sessionVersion, clientId, token: encoder.encode(token), resumption, meta: [] },
    ...{ heartbeatMs: undefined, windowBytes: 1_048_576, maxMessageBytes: 1_048_576 },
  });
}

/** A session is its client's, and nobody else's: not to begin, to take up, to speak for or to hear of. */
export function describeIdentities(kit: SessionKit): void {
  const dial = <Data>(t: TestContext, server: Server<Data>) => RawClient.connect(t, kit.under, server);

  /** Everything that a server says to a hello, up to the end of the connection. */
  async function answerTo(t: TestContext, server: Server, frame: Partial<FrameContents>) {
    const peer = await dial(t, server);
    peer.say({ kind: Kind.Hello, type: 1, ...frame });
    const answer = await peer.next();
    const { by, code, reason } = await peer.closed;
    return { answer, by, code, reason };
  }

  describe("whose a session is", () => {
    test("no refusal tells whether there is such an account, or such a session", async (t) => {
      for (const waits of [false, true]) {
        const server = await kit.serve(
          t,
          { authenticate: waits ? async (...args) => authenticate(...args) : authenticate },
          { sameClient: "reject" }, // who has a session is refused in other words, once it is known who asks
        );
        const peer = await dial(t, server);
        const { session, resume } = readWelcome(await peer.begin(hello("ali", "ali's")));
        await until("it has begun", () => server.sessionCount === 1);
        const attempts = {
          "the account of a session that is there": hello("ali", "wrong"),
          "an account without a session": hello("bo", "wrong"),
          "no account": hello("nobody", "wrong"),
          "an account's secret for another": hello("bo", "ali's"),
          "nothing at all": hello("", ""),
          "a session that is there": hello("bo", "wrong", { session, resume, cursors: noCursors }),
          "its own session": hello("ali", "wrong", { session, resume, cursors: noCursors }),
          "no session": hello("bo", "wrong", {
            ...{ session: randomBytes(16), resume: randomBytes(25), cursors: noCursors },
          }),
        };
        const answers = new Set<string>();
        for (const [name, frame] of Object.entries(attempts)) {
          const said = await answerTo(t, server, frame);
          assert.equal(readReject(said.answer).code, RejectCode.unauthenticated, name);
          answers.add(JSON.stringify(said));
        }
        assert.equal(answers.size, 1, [...answers].join("\n"));
        assert.equal(server.session(Buffer.from(session).toString("hex"))!.state, "open");
      }
    });

    test("a session cannot be taken up without what its client proves itself with", async (t) => {
      const server = await kit.serve(t, { authenticate });
      const owner = await dial(t, server);
      const { session, resume } = readWelcome(await owner.begin(hello("ali", "ali's")));
      await until("it has begun", () => server.sessionCount === 1);
      const resumption = { session, resume, cursors: noCursors };
      const refused = await answerTo(t, server, hello("ali", "stolen", resumption));
      assert.equal(refused.code, CloseCode.unauthenticated);
      // Who proves to be somebody else gets a session of that one, as if there were no such other.
      const thief = await dial(t, server);
      const welcome = readWelcome(await thief.begin(hello("bo", "bo's", resumption)));
      assert.equal(welcome.resumed, false);
      await until("it has begun", () => server.sessionCount === 2);
      assert.equal(server.sessionsOf("ali")[0]!.info.resumptions, 0);
      // And the client itself goes on.
      const again = await dial(t, server);
      assert.equal(readWelcome(await again.begin(hello("ali", "ali's", resumption))).resumed, true);
    });

    test("what still comes on a connection that was left is nobody's", async (t) => {
      const got: string[] = [];
      const server = await kit.serve(t, {
        authenticate,
        message: (_session, message) => got.push(message.text()),
        requests: { who: (session) => session.clientId! },
      });
      const old = await dial(t, server);
      const { session, resume } = readWelcome(await old.begin(hello("ali", "ali's")));
      await until("it has begun", () => server.sessionCount === 1);
      const next = await dial(t, server);
      await next.begin(hello("ali", "ali's", { session, resume, cursors: noCursors }));
      next.say({ kind: Kind.Message, seq: 1, payload: encoder.encode("of the new one") });
      await until("it has come", () => got.length === 1);
      try {
        for (let seq = 1; seq < 4; seq += 1) {
          old.say({ kind: Kind.Message, seq, payload: encoder.encode("of the old one") });
        }
      } catch {
        // its end has come already
      }
      assert.equal((await old.closed).code, CloseCode.superseded);
      next.say({ kind: Kind.Request, seq: 2, type: 1, subject: "who" });
      const answer = await next.next();
      assert.equal(Buffer.from(answer.payload).toString(), "ali");
      assert.deepEqual(got, ["of the new one"]);
    });

    test("nobody says anything in the name of another, or answers for it", async (t) => {
      const said: (readonly [string | undefined, string])[] = [];
      const server = await kit.serve(t, {
        authenticate,
        message: (session, message) => said.push([session.clientId, message.text()]),
      });
      const victim = await dial(t, server);
      const { session } = readWelcome(await victim.begin(hello("ali", "ali's")));
      const attacker = await dial(t, server);
      await attacker.begin(hello("bo", "bo's"));
      await until("both have begun", () => server.sessionCount === 2);
      const asked = server.request({ clientId: "ali" }, "who are you");
      const { type: id } = await victim.next();
      let seq = 0;
      const say = (frame: Partial<FrameContents> & { kind: number }) => {
        seq += 1;
        attacker.say({ seq, ...frame });
      };
      for (let guess = 0; guess < 20; guess += 1) {
        say({ kind: Kind.Response, type: guess, payload: encoder.encode("ali, of course") });
      }
      say({ kind: Kind.Response, type: id, payload: encoder.encode("ali, of course") });
      const names = ["client", "clientId", "session", "from", "subject"];
      const meta = names.map((key) => ({ key, value: key === "session" ? session : encoder.encode("ali") }));
      say({ kind: Kind.Message, subject: "ali", meta, payload: encoder.encode("I am ali") });
      await until("it has come", () => said.length === 1);
      assert.deepEqual(said, [["bo", "I am ali"]]);
      victim.say({ kind: Kind.Response, seq: 1, type: id, payload: encoder.encode("ali") });
      const reply = await asked;
      assert.equal(reply.status === "success" && Buffer.from(reply.payload).toString(), "ali");
    });

    // Another thread hears of it in a moment.
    if (kit.threads > 1) return;
    test("what still comes on the connection of a session that another has replaced is nobody's", async (t) => {
      const got: string[] = [];
      const server = await kit.serve(t, {
        authenticate,
        message: (session, message) => got.push(`${session.id} ${message.text()}`),
      });
      const old = await dial(t, server);
      await old.begin(hello("ali", "ali's"));
      await until("it has begun", () => server.sessionCount === 1);
      const next = await dial(t, server);
      const id = Buffer.from(readWelcome(await next.begin(hello("ali", "ali's"))).session).toString("hex");
      await until("another is in its place", () => server.session(id) !== undefined);
      try {
        for (let seq = 1; seq < 4; seq += 1) {
          old.say({ kind: Kind.Message, seq, payload: encoder.encode("of the old one") });
        }
      } catch {
        // its end has come already
      }
      assert.equal((await old.closed).code, CloseCode.superseded);
      next.say({ kind: Kind.Message, seq: 1, payload: encoder.encode("of the new one") });
      await until("it has come", () => got.length > 0);
      assert.deepEqual(got, [`${id} of the new one`]);
    });

    test("who is revoked is out at once, in the middle of what it says, and does not come back", async (t) => {
      let isRevoked = false;
      let afterwards = 0;
      const server = await kit.serve(t, {
        authenticate: (given: ClientHello, context: AuthenticateContext) =>
          isRevoked && given.clientId === "ali" ? refuse() : authenticate(given, context),
        message: (session) => {
          if (isRevoked && session.clientId === "ali") afterwards += 1;
        },
        requests: { well: () => "yes" },
      });
      const revoked = await kit.join(t, server, { clientId: "ali", token: "ali's" });
      const other = await kit.join(t, server, { clientId: "bo", token: "bo's" });
      await until("both have begun", () => server.sessionCount === 2);
      for (let i = 0; i < 500; i += 1) revoked.send(new Uint8Array(100));
      await until("some has come", () => server.sessionsOf("ali")[0]!.info.messagesReceived > 0);
      isRevoked = true;
      assert.equal(server.revoke("ali"), 1);
      assert.deepEqual(server.sessionsOf("ali"), []);
      // What it says at that moment may keep it from hearing why.
      await until("it has heard", () => revoked.state !== "connected");
      assert.equal(afterwards, 0);
      await assert.rejects(
        revoked.switchTo(server.urls[0]!),
        (cause) => cause instanceof SessionClosedError || cause instanceof SessionRefusedError,
      );
      await assert.rejects(kit.join(t, server, { clientId: "ali", token: "ali's" }));
      assert.equal((await other.request("well")).status, "success");
    });
  });
}
