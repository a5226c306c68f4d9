import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { describe, type TestContext, test } from "node:test";
import { CloseCode, type FrameContents, FrameTooLargeError } from "millrace";
import { RejectCode, refuse, type Server } from "millrace/server";
import { encodeHello, type Hello } from "#internal/delivery/hello.js";
import { readReject } from "#internal/delivery/reject.js";
import { readWelcome } from "#internal/delivery/welcome.js";
import { Kind } from "#internal/frame/frame.js";
import { until } from "../../kit/until.js";
import { serveInnocent } from "./innocent.js";
import type { SessionKit } from "./kit.js";
import { hello, RawClient } from "./raw_client.js";

/** Peers that break the rules cost themselves their connection, and nobody else anything. */
export function describeBadPeers(kit: SessionKit): void {
  const dial = <Data>(t: TestContext, server: Server<Data>) => RawClient.connect(t, kit.under, server);

  const serve = (t: TestContext, options?: Parameters<SessionKit["serve"]>[2]) =>
    serveInnocent(kit, t, options);

  const breaches: Readonly<Record<string, readonly [Partial<FrameContents> & { kind: number }, number]>> = {
    "a second hello": [{ kind: Kind.Hello, type: 1 }, CloseCode.protocolViolation],
    "a second commit": [{ kind: Kind.Commit }, CloseCode.protocolViolation],
    "a sequence that leaves a hole": [{ kind: Kind.Message, seq: 2 }, CloseCode.protocolViolation],
    "a lane that is none": [{ kind: Kind.Message, channel: 5, seq: 1 }, CloseCode.protocolViolation],
    "an acknowledgement of what was never sent": [{ kind: Kind.Ack, ref: 9 }, CloseCode.protocolViolation],
    "an acknowledgement of an unknown level": [
      { kind: Kind.Ack, type: 9, ref: 1 },
      CloseCode.protocolViolation,
    ],
    "a request without a sequence": [{ kind: Kind.Request, subject: "well" }, CloseCode.protocolViolation],
    "a gap, which is the server's to tell": [{ kind: Kind.Gap }, CloseCode.protocolViolation],
    "a welcome": [{ kind: Kind.Welcome }, CloseCode.protocolViolation],
    "flags that nobody knows": [{ kind: Kind.Message, flags: 0x40, seq: 1 }, CloseCode.protocolViolation],
    "a batch that is none": [
      { kind: Kind.Message, flags: 8, seq: 1, payload: new Uint8Array(5) },
      CloseCode.frameMalformed,
    ],
  };

  describe("a peer that breaks the rules", () => {
    test("is told what it did, and its session waits to go on, whatever it was", async (t) => {
      const { server, ends, unharmed } = await serve(t);
      for (const [name, [frame, code]] of Object.entries(breaches)) {
        const peer = await dial(t, server);
        await peer.begin();
        peer.say(frame);
        const info = await peer.closed;
        assert.deepEqual([info.by, info.code], ["peer", code], name);
      }
      await unharmed();
      const count = Object.keys(breaches).length;
      await until(
        "all wait",
        () => server.sessions({ where: ({ state }) => state === "detached" }).sessions.length === count,
      );
      assert.deepEqual(ends, []);
    });

    test("has nothing before it has begun a session", async (t) => {
      const { server, unharmed } = await serve(t);
      for (const kind of [Kind.Message, Kind.Request, Kind.Commit, Kind.Response, Kind.Ack, Kind.Publish]) {
        const peer = await dial(t, server);
        peer.say({ kind, seq: 1, ref: 1, subject: "well" });
        assert.equal((await peer.closed).code, CloseCode.protocolViolation, `kind ${kind}`);
      }
      assert.equal(server.sessionCount, 1);
      await unharmed();
    });

    test("has nothing between its welcome and its commit, but what may have overtaken that waits for it", async (t) => {
      const { server, unharmed } = await serve(t, {
        ...{ windowBytes: 8_192, maxMessageBytes: 4_096 },
      });
      const welcomed = async () => {
        const peer = await dial(t, server);
        peer.say({ kind: Kind.Hello, type: 1 });
        assert.equal((await peer.next()).kind, Kind.Welcome);
        return peer;
      };
      const inOrder = await welcomed();
      inOrder.say({ kind: Kind.Message, seq: 1 });
      assert.equal((await inOrder.closed).code, CloseCode.protocolViolation);
      const tooMuch = await welcomed();
      for (let seq = 1; seq <= 4; seq += 1) {
        tooMuch.say({ kind: Kind.Message, channel: 1, seq, payload: new Uint8Array(4_000) });
      }
      assert.equal((await tooMuch.closed).code, CloseCode.exhausted);
      // What fills its window is a client's right, however small each is.
      const allowed = await welcomed();
      for (let seq = 1; seq <= 80; seq += 1) {
        allowed.say({ kind: Kind.Message, channel: 1, seq, payload: new Uint8Array(50) });
      }
      allowed.say({ kind: Kind.Request, channel: 1, seq: 81, type: 8, subject: "nobody answers" });
      allowed.say({ kind: Kind.Commit });
      const said = await allowed.next();
      assert.deepEqual([said.kind, said.type], [Kind.Response, 8]);
      const overtaken = await welcomed();
      overtaken.say({ kind: Kind.Request, channel: 1, seq: 1, type: 7, subject: "nobody answers" });
      overtaken.say({ kind: Kind.Commit });
      const answer = await overtaken.next();
      assert.deepEqual([answer.kind, answer.type], [Kind.Response, 7]);
      await unharmed();
    });

    test("is refused when it does not begin one in its time, however much it pings", async (t) => {
      const { server, unharmed } = await serve(t);
      const silent = await dial(t, server);
      const halfway = await dial(t, server);
      halfway.say({ kind: Kind.Hello, type: 1 });
      await halfway.next(); // welcomed, and never commits
      await server.reload({ authenticateTimeoutMs: 100 }); // which is for all who have not begun yet
      assert.equal(readReject(await silent.next()).code, RejectCode.timeout);
      assert.equal((await silent.closed).code, CloseCode.unauthenticated);
      assert.equal((await halfway.closed).code, CloseCode.goingAway); // its Commit may be on its way
      await until("nothing is left of them", () => server.connectionCount === 1 && server.sessionCount === 1);
      await unharmed();
    });

    test("speaks another version of the protocol", async (t) => {
      const { server } = await serve(t);
      const peer = await dial(t, server);
      peer.say({ kind: Kind.Hello, type: 77 });
      assert.equal(readReject(await peer.next()).code, RejectCode.version);
    });

    test("chooses no session id, and takes up no session that is another's", async (t) => {
      const { server, unharmed } = await serve(t);
      const victim = await dial(t, server);
      const { session, resume } = readWelcome(
        await victim.begin(encodeHello({ ...hello, clientId: "victim" })),
      );
      await until("it has begun", () => server.sessionsOf("victim").length === 1);
      const cursors = new Map<number, number>();
      const attempts: Partial<Hello>[] = [
        { resumption: { session: randomBytes(16), resume: randomBytes(25), cursors } },
        { resumption: { session, resume: randomBytes(25), cursors } },
        { clientId: "thief", resumption: { session, resume, cursors } },
        { resumption: { session, resume, cursors } },
      ];
      for (const attempt of attempts) {
        const peer = await dial(t, server);
        const welcome = readWelcome(await peer.begin(encodeHello({ ...hello, ...attempt })));
        assert.equal(welcome.resumed, false);
        assert.notDeepEqual(welcome.session, session);
        assert.notDeepEqual(welcome.session, attempt.resumption!.session);
      }
      assert.equal(server.sessionsOf("victim")[0]!.state, "open");
      await unharmed();
    });

    test("says that it has handled what was never sent, and begins anew instead of going on", async (t) => {
      const { server } = await serve(t);
      const peer = await dial(t, server);
      const { session, resume } = readWelcome(await peer.begin());
      await until("it has begun", () => server.sessionCount === 2);
      const again = await dial(t, server);
      const cursors = new Map([[0, 1_000]]);
      const welcome = readWelcome(
        await again.begin(encodeHello({ ...hello, resumption: { session, resume, cursors } })),
      );
      assert.equal(welcome.resumed, false);
    });
  });

  describe("what a peer may do at an awkward moment", () => {
    test("a second hello while the first is judged costs its connection, and nothing else", async (t) => {
      const judged: (() => void)[] = [];
      const server = await kit.serve(t, {
        authenticate: () => new Promise<object>((resolve) => judged.push(() => resolve({}))),
      });
      const peer = await dial(t, server);
      peer.say({ kind: Kind.Hello, type: 1 });
      peer.say({ kind: Kind.Hello, type: 1 });
      await until("it is judged", () => judged.length === 1);
      judged[0]!();
      assert.equal((await peer.closed).code, CloseCode.protocolViolation);
      await until("nothing is left of it", () => server.connectionCount === 0);
      assert.equal(server.sessionCount, 0);
    });

    test("a frame of another lane that overtakes the commit is taken when it has come, and it comes once", async (t) => {
      const got: string[] = [];
      const server = await kit.serve(t, { message: (_session, message) => got.push(message.text()) });
      const peer = await dial(t, server);
      peer.say({ kind: Kind.Hello, type: 1 });
      await peer.next();
      peer.say({ kind: Kind.Message, channel: 1, seq: 1, payload: Buffer.from("urgent") });
      peer.say({ kind: Kind.Commit });
      peer.say({ kind: Kind.Message, seq: 1, payload: Buffer.from("not so") });
      await until("both have come", () => got.length === 2);
      assert.equal(server.sessionCount, 1);
      peer.say({ kind: Kind.Commit });
      assert.equal((await peer.closed).code, CloseCode.protocolViolation);
    });

    test("a subscription from nowhere fails, and is no fault of the server", async (t) => {
      const server = await kit.serve(t, { subscribe: () => true });
      const peer = await dial(t, server);
      await peer.begin();
      const place = (topic: string) => ({
        key: "topic",
        value: Buffer.concat([Buffer.alloc(12), Buffer.from(topic)]),
      });
      const wanted = {
        "a.b": [{ key: "from", value: new Uint8Array(3) }],
        "a.*": [{ key: "topic", value: new Uint8Array(5) }],
        "a.>": Array.from({ length: 257 }, (_, i) => place(`a.${i}`)),
        "*.b": [place("a.b"), place("a.b")],
      };
      for (const [i, [subject, meta]] of Object.entries(wanted).entries()) {
        peer.say({ kind: Kind.Subscribe, seq: i + 1, type: i, subject, meta });
        const answer = await peer.next();
        assert.deepEqual(
          [answer.kind, answer.type, answer.meta?.[0]?.key],
          [Kind.Response, i, "status"],
          subject,
        );
      }
    });

    test("a session that cannot go on is begun anew, and works", async (t) => {
      const { server, unharmed } = await serve(t);
      const first = await dial(t, server);
      const { session } = readWelcome(await first.begin());
      const again = await dial(t, server);
      const resumption = { session, resume: randomBytes(25), cursors: new Map([[0, 7]]) };
      const welcome = readWelcome(await again.begin(encodeHello({ ...hello, resumption })));
      assert.equal(welcome.resumed, false);
      again.say({ kind: Kind.Request, seq: 1, type: 3, subject: "well" });
      const answer = await again.next();
      assert.equal(Buffer.from(answer.payload).toString(), "yes");
      await unharmed();
    });

    test("of two that are welcomed by one client id, one begins where only one may", async (t) => {
      const server = await kit.serve(t, {}, { sameClient: "reject" });
      const [one, two] = await Promise.all([dial(t, server), dial(t, server)]);
      for (const peer of [one!, two!]) {
        peer.say(encodeHello({ ...hello, clientId: "only" }));
        await peer.next();
      }
      one!.say({ kind: Kind.Commit });
      await until("one has begun", () => server.sessionCount === 1);
      two!.say({ kind: Kind.Commit });
      assert.equal((await two!.closed).code, CloseCode.policy);
      assert.equal(server.sessionsOf("only").length, 1);
    });

    test("resumptions that race each leave a token that is good", async (t) => {
      const server = await kit.serve(t, {});
      const first = await dial(t, server);
      const { session, resume } = readWelcome(await first.begin());
      await until("it has begun", () => server.sessionCount === 1);
      const cursors = new Map<number, number>();
      const racing = await Promise.all([dial(t, server), dial(t, server)]);
      let last = resume;
      for (const peer of racing) {
        peer.say(encodeHello({ ...hello, resumption: { session, resume, cursors } }));
        last = readWelcome(await peer.next()).resume;
      }
      for (const peer of racing) peer.say({ kind: Kind.Commit });
      await until("both have committed", () => server.sessions().sessions[0]!.info.resumptions === 2);
      const next = await dial(t, server);
      const welcome = readWelcome(
        await next.begin(encodeHello({ ...hello, resumption: { session, resume: last, cursors } })),
      );
      assert.equal(welcome.resumed, true);
    });

    test("a commit that was overtaken by the next hello ends nobody, and one that the next has overtaken is late", async (t) => {
      const server = await kit.serve(t, {});
      const first = await dial(t, server);
      const { session, resume } = readWelcome(await first.begin());
      await until("it has begun", () => server.sessionCount === 1);
      const cursors = new Map<number, number>();
      const peers: Awaited<ReturnType<typeof dial>>[] = [];
      let token = resume;
      for (let hellos = 0; hellos < 3; hellos += 1) {
        const peer = await dial(t, server);
        peer.say(encodeHello({ ...hello, resumption: { session, resume: token, cursors } }));
        token = readWelcome(await peer.next()).resume;
        peers.push(peer);
      }
      const [lost, slow, newest] = peers;
      const { sessions } = server.sessions();
      slow!.say({ kind: Kind.Commit });
      await until("it has gone on", () => server.sessions().sessions[0]!.info.resumptions === 1);
      newest!.say({ kind: Kind.Commit });
      await until("it has gone on there", () => server.sessions().sessions[0]!.info.resumptions === 2);
      assert.equal((await slow!.closed).code, CloseCode.superseded);
      lost!.say({ kind: Kind.Commit });
      assert.equal((await lost!.closed).code, CloseCode.goingAway);
      assert.equal(sessions[0]!.state, "open");
      await until("the newest is left alone", () => server.connectionCount === 1);
    });

    test("a client id or refusal that is none is the application's fault, which refuses", async (t) => {
      const faults: unknown[] = [];
      const wrong = [
        (context: { clientId: string | undefined }) => {
          context.clientId = "a\0b";
          return {};
        },
        () => refuse("no", { retryAfterMs: 12.5 }),
      ];
      for (const judge of wrong) {
        const server = await kit.serve(t, {
          authenticate: async (_hello, context) => judge(context),
          error: (_session, cause) => faults.push(cause),
        });
        const peer = await dial(t, server);
        peer.say({ kind: Kind.Hello, type: 1 });
        assert.equal(readReject(await peer.next()).code, RejectCode.internal);
        await peer.closed;
      }
      await until("both are told", () => faults.length === 2);
    });

    test("what a client says that it takes is all that it is sent", async (t) => {
      const server = await kit.serve(t, { requests: { much: () => new Uint8Array(5_000) } });
      const peer = await dial(t, server);
      await peer.begin(encodeHello({ ...hello, maxMessageBytes: 1_000 }));
      await until("it has begun", () => server.sessionCount === 1);
      const [session] = server.sessions().sessions;
      assert.throws(() => session!.send(new Uint8Array(1_001)), FrameTooLargeError);
      peer.say({ kind: Kind.Request, seq: 1, type: 3, subject: "much" });
      const answer = await peer.next();
      assert.equal(answer.meta?.[0]?.key, "status");
    });
  });

  describe("limits", () => {
    test("hold the largest message", async (t) => {
      const { server, unharmed } = await serve(t, { maxMessageBytes: 1_000 });
      const peer = await dial(t, server);
      await peer.begin();
      peer.say({ kind: Kind.Message, seq: 1, payload: new Uint8Array(1_500) });
      assert.equal((await peer.closed).code, CloseCode.frameTooLarge);
      await unharmed();
    });

    test("close a peer that sends more than its credit while nothing of it is handled", async (t) => {
      const handling: (() => void)[] = [];
      const server = await kit.serve(
        t,
        { message: async () => new Promise<void>((resolve) => handling.push(resolve)) },
        { windowBytes: 8_192, maxMessageBytes: 4_096 },
      );
      const peer = await dial(t, server);
      await peer.begin();
      for (let seq = 1; seq <= 20; seq += 1)
        peer.say({ kind: Kind.Message, seq, payload: new Uint8Array(1_000) });
      assert.equal((await peer.closed).code, CloseCode.exhausted);
      assert.equal(handling.length, 1, "one at a time for each session");
      handling[0]!();
    });
  });
}
