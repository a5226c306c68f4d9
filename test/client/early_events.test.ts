import assert from "node:assert/strict";
import { describe, type TestContext, test } from "node:test";
import { InvalidArgumentError } from "millrace";
import {
  type Acknowledgement,
  type ClientBehaviour,
  type ClientSendOptions,
  type ClientSession,
  connect,
} from "millrace/client";
import { createServer, type ServerBehaviour } from "millrace/server";
import { deferred } from "../kit/deferred.js";
import { EarlyWorld } from "../kit/early_world.js";
import { until } from "../kit/until.js";

/** What a server has done, in its order. */
class Log {
  readonly lines: string[] = [];
  readonly errors: unknown[] = [];
  readonly behaviour: ServerBehaviour = {
    open: () => void this.lines.push("open"),
    resumed: () => void this.lines.push("resumed"),
    message: (_session, message) => void this.lines.push(message.text()),
    request: (_session, request) => void this.lines.push(`${request.subject} in session`),
    earlyEvents: {
      seen: (_client, message) => void this.lines.push(`${message.text()} early`),
      sold: (_client, message) => assert.equal(message.reject("sold out", 1_404), true),
      broken: () => {
        this.lines.push("broken early");
        throw new Error("broken");
      },
    },
    earlyRequests: { price: () => void this.lines.push("price early") },
    error: (_session, cause) => void this.errors.push(cause),
  };
}

const seen = { subject: "seen", idempotent: true };

async function worldOf(t: TestContext, behaviour?: Partial<ServerBehaviour>) {
  const log = new Log();
  const world = await EarlyWorld.begin(t, { ...log.behaviour, ...behaviour });
  await world.earnTicket();
  log.lines.length = 0;
  return { world, log };
}

/** Says something before it is connected, and last of all when it is. @returns what the server had by then */
async function lines(
  { world, log }: Awaited<ReturnType<typeof worldOf>>,
  say: (session: ClientSession) => void,
) {
  const session = await world.connect({ connecting: say });
  session.send("last");
  await until("all has come", () => log.lines.includes("last"));
  return log.lines;
}

/** A client's behaviour that notes what it is told of messages. */
function noting() {
  const told: unknown[] = [];
  const behaviour: ClientBehaviour = {
    sent: (_session, id) => void told.push(["sent", id]),
    acknowledged: (_session, id, level) => void told.push([level, id]),
    rejected: (_session, { code, reason, sequence }) => void told.push(["rejected", code, reason, sequence]),
  };
  return { told, behaviour };
}

describe("a message that may be handled twice", () => {
  test("is with its handler by the first packets, and is acknowledged in that round trip, once", async (t) => {
    const { world, log } = await worldOf(t);
    const { told, behaviour } = noting();
    let outcome: Promise<Acknowledgement> | undefined;
    world.relay.block("toClient");
    const joining = world.connect({
      ...behaviour,
      connecting(session) {
        outcome = session.sendAcked("tea", { ...seen, messageId: "one" });
        session.send("milk", seen);
      },
    });
    await until("they have come", () => log.lines.length === 2);
    assert.deepEqual(log.lines, ["tea early", "milk early"], "and nothing has come back yet");
    assert.deepEqual(told, []);
    world.relay.unblock("toClient");
    const session = await joining;
    assert.deepEqual(await outcome, { status: "acknowledged", level: "received" });
    assert.deepEqual(told, [
      ["sent", "one"],
      ["received", "one"],
    ]);
    session.send("last");
    await until("all has come", () => log.lines.includes("last"));
    assert.deepEqual(log.lines, ["tea early", "milk early", "open", "last"], "each was handled once");
  });

  test("stays behind what may not, and behind what the server does not take early", async (t) => {
    const came = await lines(await worldOf(t), (session) => {
      session.send("first");
      session.send("second", seen);
    });
    assert.deepEqual(came, ["open", "first", "second", "last"]);
    const refused = await lines(await worldOf(t), (session) => {
      session.send("zero", seen);
      session.send("first", { subject: "unknown", idempotent: true });
      session.send("second", seen);
      void session.request("price", "", { idempotent: true });
    });
    assert.deepEqual(refused, ["zero early", "open", "first", "second", "price in session", "last"]);
    const asked = await lines(await worldOf(t), (session) => {
      void session.request("unknown", "", { idempotent: true });
      session.send("second", seen);
      void session.request("price", "", { idempotent: true });
    });
    assert.deepEqual(asked, ["open", "unknown in session", "second", "price in session", "last"]);
  });

  for (const [what, options] of Object.entries<ClientSendOptions>({
    "that has no subject": { idempotent: true },
    "that is not said to be so": { subject: "seen", idempotent: false },
    "that waits by a key": { subject: "seen", idempotent: true, key: "k" },
  })) {
    test(`and one ${what} goes in the session`, async (t) => {
      const made = await worldOf(t);
      const session = await made.world.connect(
        { connecting: (session) => void session.send("tea", options) },
        { queuePolicy: "conflate" },
      );
      session.send("last");
      await until("all has come", () => made.log.lines.includes("last"));
      assert.deepEqual(made.log.lines, ["open", "tea", "last"]);
    });
  }

  test("and is to be told to have been delivered, is said in the session, which can tell it", async (t) => {
    const { world, log } = await worldOf(t, {
      message: (_session, message) => {
        log.lines.push(message.text());
        message.confirm("delivered");
      },
    });
    let outcome: Promise<Acknowledgement> | undefined;
    await world.connect({
      connecting(session) {
        outcome = session.sendAcked("tea", { ...seen, level: "delivered" });
      },
    });
    assert.deepEqual(await outcome, { status: "acknowledged", level: "delivered" });
    assert.deepEqual(log.lines, ["open", "tea"]);
  });

  test("is rejected by its handler as in a session", async (t) => {
    const { world, log } = await worldOf(t);
    const { told, behaviour } = noting();
    let outcome: Promise<Acknowledgement> | undefined;
    const session = await world.connect({
      ...behaviour,
      connecting(session) {
        outcome = session.sendAcked("tea", { subject: "sold", idempotent: true });
      },
    });
    assert.deepEqual(await outcome, { status: "rejected", code: 1_404, reason: "sold out" });
    assert.deepEqual(told, [["rejected", 1_404, "sold out", 0]]);
    session.send("last");
    await until("all has come", () => log.lines.includes("last"));
    assert.deepEqual(log.lines, ["open", "last"]);
  });

  test("has come though its handler throws, which is told to error: it does not come again", async (t) => {
    const { world, log } = await worldOf(t);
    let outcome: Promise<Acknowledgement> | undefined;
    const session = await world.connect({
      connecting(session) {
        outcome = session.sendAcked("tea", { subject: "broken", idempotent: true });
      },
    });
    assert.deepEqual(await outcome, { status: "acknowledged", level: "received" });
    assert.deepEqual(log.errors.map(String), ["Error: broken"]);
    session.send("last");
    await until("all has come", () => log.lines.includes("last"));
    assert.deepEqual(log.lines, ["broken early", "open", "last"]);
  });

  test("is said again, before what waits, where the connection is lost that was to acknowledge it", async (t) => {
    const never = deferred();
    const { world, log } = await worldOf(t, { earlyEvents: { seen: async () => never.promise } });
    const once = {
      get: (key: string) => world.store.get(key),
      set: () => {},
      delete: (key: string) => world.store.delete(key),
    };
    let outcome: Promise<Acknowledgement> | undefined;
    const session = await world.connect(
      {
        connecting(session) {
          outcome = session.sendAcked("tea", seen);
        },
      },
      { reconnect: { delayMs: 1 }, earlyData: { store: once } },
    );
    await until("the server has its commit", () => log.lines.includes("open"));
    session.abandon();
    await until("it is lost", () => session.state === "reconnecting");
    session.send("behind");
    assert.deepEqual(await outcome, { status: "acknowledged", level: "received" });
    await until("all has come", () => log.lines.includes("behind"));
    assert.deepEqual(log.lines, ["open", "resumed", "tea", "behind"]);
    never.resolve();
  });

  test("is known again where it goes early a second time", async (t) => {
    const held = deferred();
    let handled = 0;
    const { world } = await worldOf(t, {
      earlyEvents: {
        seen: async () => {
          handled += 1;
          await held.promise;
        },
      },
    });
    let outcome: Promise<Acknowledgement> | undefined;
    const session = await world.connect(
      {
        connecting(session) {
          outcome = session.sendAcked("tea", seen);
        },
      },
      { reconnect: { delayMs: 1 } },
    );
    await world.hasTicket();
    session.abandon();
    await until("it has come again", () => world.server.counters.early === 2);
    held.resolve();
    assert.deepEqual(await outcome, { status: "acknowledged", level: "received" });
    assert.equal(handled, 1);
  });

  test("is handled once where the server was restarted, and takes nothing early", async (t) => {
    const { world, log } = await worldOf(t);
    await world.restart();
    const came = await lines({ world, log }, (session) => void session.send("tea", seen));
    assert.equal(world.server.counters.early, 0);
    assert.deepEqual(came, ["tea early", "open", "last"], "it came behind the handshake, with the hello");
  });

  test("is known by its id in the session, too", async (t) => {
    const made = await worldOf(t, {
      earlyRequests: { price: () => "41.50, early" },
      request: () => "41.50, in session",
    });
    const named = { ...seen, messageId: "one" };
    const asked = { idempotent: true, messageId: "two" };
    const session = await made.world.connect({
      connecting(session) {
        session.send("tea", named);
        void session.request("price", "", asked);
      },
    });
    const outcome = await session.sendAcked("tea", named);
    const reply = await session.request("price", "", asked);
    assert.deepEqual(outcome, { status: "acknowledged", level: "received" });
    assert.equal(reply.status === "success" && reply.text(), "41.50, early");
    assert.deepEqual(made.log.lines, ["tea early", "open"]);
  });

  test("is judged by its session where that knows its id", async (t) => {
    const { world, log } = await worldOf(t);
    const named = { ...seen, messageId: "one" };
    const session = await world.connect({}, { reconnect: { delayMs: 1 } });
    await session.sendAcked("tea", named);
    await world.hasTicket();
    world.relay.block("toClient");
    session.abandon();
    session.send("tea", named);
    await until("the hello has come early", () => world.server.counters.early === 2);
    world.relay.unblock("toClient");
    session.send("last");
    await until("all has come", () => log.lines.includes("last"));
    assert.deepEqual(log.lines, ["open", "tea", "resumed", "last"]);
  });
});

test("a message that may be handled twice is as any other where nothing goes early", async (t) => {
  const got: string[] = [];
  const server = await createServer(
    { listen: "tcp://127.0.0.1:0" },
    { events: { seen: (_session, message) => void got.push(message.text()) } },
  );
  t.after(() => server.close({ graceful: false }));
  const session = await connect(
    server.urls[0]!,
    {},
    { connecting: (session) => void session.send("before", seen) },
  );
  t.after(() => session.close({ graceful: false }));
  assert.deepEqual(await session.sendAcked("after", seen), { status: "acknowledged", level: "received" });
  assert.deepEqual(got, ["before", "after"]);
});

describe("idempotent is refused", () => {
  test("of messages that need not come, and where it is no flag", async (t) => {
    const server = await createServer({ listen: "tcp://127.0.0.1:0" }, {});
    t.after(() => server.close({ graceful: false }));
    const session = await connect(server.urls[0]!);
    t.after(() => session.close({ graceful: false }));
    for (const options of [
      { ...seen, delivery: "unreliable" },
      { ...seen, delivery: "latest", key: "k" },
      { ...seen, idempotent: "yes" },
    ]) {
      assert.throws(() => session.send("", options as never), InvalidArgumentError);
      await assert.rejects(session.sendAcked("", options as never), InvalidArgumentError);
    }
  });

  test("of what a server sends", async (t) => {
    const begun = deferred<never>();
    const server = await createServer(
      { listen: "tcp://127.0.0.1:0" },
      { open: (session) => begun.resolve(session as never) },
    );
    t.after(() => server.close({ graceful: false }));
    const client = await connect(server.urls[0]!);
    t.after(() => client.close({ graceful: false }));
    const session = (await begun.promise) as { send: typeof client.send; sendAcked: typeof client.sendAcked };
    assert.throws(() => session.send("", seen), InvalidArgumentError);
    await assert.rejects(session.sendAcked("", seen), InvalidArgumentError);
    assert.throws(() => server.broadcast("", seen as never), InvalidArgumentError);
  });

  test("as are a server's early handlers that are none, or without earlyData", async () => {
    const listen = "quic://127.0.0.1:0";
    await assert.rejects(createServer({ listen }, { earlyEvents: {} }), /earlyEvents need the option/);
    await assert.rejects(
      createServer({ listen, earlyData: true }, { earlyEvents: { seen: 1 as never } }),
      InvalidArgumentError,
    );
  });
});
