import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { InvalidArgumentError } from "millrace";
import { type ClientBehaviour, type Connected, connect } from "millrace/client";
import { createServer, type Reply, RequestFailure, type ServerBehaviour } from "millrace/server";
import { deferred } from "../kit/deferred.js";
import { EarlyWorld } from "../kit/early_world.js";
import { until } from "../kit/until.js";
import { identity } from "../transport/suite/kit.js";

const idempotent = { idempotent: true };

/** What a server has done, in its order. */
class Log {
  readonly lines: string[] = [];
  readonly behaviour: ServerBehaviour = {
    authenticate: ({ resuming }) => void this.lines.push(resuming ? "resuming" : "new"),
    open: () => void this.lines.push("open"),
    resumed: () => void this.lines.push("resumed"),
    message: (_session, message) => void this.lines.push(message.text()),
    request: (_session, request) => this.#answer("in session", request.subject),
    earlyRequests: {
      price: (_client, request) => this.#answer("early", request.subject),
      broken: () => {
        throw new RequestFailure("no such tea", 1_404);
      },
    },
  };

  #answer(when: string, subject: string): string {
    this.lines.push(`${subject} ${when}`);
    return `41.50, ${when}`;
  }

  clear(): void {
    this.lines.length = 0;
  }
}

function textOf(reply: Reply | undefined): string {
  return reply?.status === "success" ? reply.text() : JSON.stringify(reply);
}

/** A client's behaviour that asks before it is connected, and what came of it. */
function asking(...asked: readonly (readonly [subject: string, idempotent: boolean])[]) {
  const replies: Promise<Reply>[] = [];
  const connections: Connected[] = [];
  const behaviour: ClientBehaviour = {
    connecting: (session) => {
      for (const [subject, idempotent] of asked) replies.push(session.request(subject, "", { idempotent }));
    },
    connected: (_session, connected) => void connections.push(connected),
  };
  return { behaviour, replies, connections };
}

describe("a client that was here before", () => {
  test("is judged, and its idempotent request answered, by what its first packets bring", async (t) => {
    const log = new Log();
    const world = await EarlyWorld.begin(t, log.behaviour);
    await world.earnTicket();
    log.clear();
    const { behaviour, replies, connections } = asking(["price", true]);
    world.relay.block("toClient");
    const joining = world.connect(behaviour);
    await until("the server has answered", () => log.lines.length === 2);
    assert.deepEqual(log.lines, ["new", "price early"], "and nothing has come back yet");
    world.relay.unblock("toClient");
    const session = await joining;
    assert.equal(textOf(await replies[0]), "41.50, early");
    assert.equal(connections[0]?.earlyDataAccepted, true);
    assert.equal(world.server.counters.early, 1);
    assert.equal(textOf(await session.request("price", "", idempotent)), "41.50, in session");
    assert.deepEqual(log.lines, ["new", "price early", "open", "price in session"], "each was done once");
  });

  test("asks nothing early that is not idempotent, nor what comes behind that", async (t) => {
    const log = new Log();
    const world = await EarlyWorld.begin(t, log.behaviour);
    await world.earnTicket();
    log.clear();
    const { behaviour, replies } = asking(["price", false], ["price", true]);
    const session = await world.connect(behaviour);
    await Promise.all(replies);
    assert.equal(world.server.counters.early, 1, "its hello was early");
    session.send("last");
    await until("all has come", () => log.lines.includes("last"));
    assert.deepEqual(log.lines, ["new", "open", "price in session", "price in session", "last"]);
  });

  test("asks in the session, in its place, what the server does not answer early", async (t) => {
    const log = new Log();
    const world = await EarlyWorld.begin(t, log.behaviour);
    await world.earnTicket();
    log.clear();
    const { behaviour, replies } = asking(["order", true], ["price", true]);
    const joining = world.connect({
      ...behaviour,
      connecting(session) {
        behaviour.connecting!(session);
        session.send("behind");
      },
    });
    await joining;
    assert.deepEqual(await Promise.all(replies.map(async (reply) => textOf(await reply))), [
      "41.50, in session",
      "41.50, early",
    ]);
    await until("all has come", () => log.lines.includes("behind"));
    assert.deepEqual(log.lines, ["new", "price early", "open", "order in session", "behind"]);
  });

  test("is told the failure of what failed early", async (t) => {
    const world = await EarlyWorld.begin(t, new Log().behaviour);
    await world.earnTicket();
    const { behaviour, replies } = asking(["broken", true]);
    await world.connect(behaviour);
    assert.deepEqual(await replies[0], { status: "failure", code: 1_404, reason: "no such tea" });
  });

  test("waits on its connection for an answer that takes longer than its welcome", async (t) => {
    const price = deferred<string>();
    let asked = 0;
    const world = await EarlyWorld.begin(t, {
      earlyRequests: {
        price: async () => {
          asked += 1;
          return price.promise;
        },
      },
      requests: { price: () => "asked twice" },
    });
    await world.earnTicket();
    const { behaviour, replies } = asking(["price", true]);
    const session = await world.connect(behaviour);
    session.send("something");
    price.resolve("41.50");
    assert.equal(textOf(await replies[0]), "41.50");
    assert.equal(asked, 1);
  });

  test("asks again where the connection is lost that was to bring the answer", async (t) => {
    const log = new Log();
    const never = deferred<string>();
    const world = await EarlyWorld.begin(t, {
      ...log.behaviour,
      earlyRequests: { price: async () => never.promise },
    });
    await world.earnTicket();
    const { behaviour, replies } = asking(["price", true]);
    const session = await world.connect(behaviour, { reconnect: { delayMs: 1 } });
    session.abandon();
    never.resolve("41.50");
    assert.match(textOf(await replies[0]), /^41\.50/);
  });

  test("sends all again after the handshake where the server was restarted, and it is done once", async (t) => {
    const log = new Log();
    const world = await EarlyWorld.begin(t, log.behaviour);
    await world.earnTicket();
    await world.restart();
    log.clear();
    const { behaviour, replies, connections } = asking(["price", true]);
    await world.connect(behaviour);
    assert.equal(textOf(await replies[0]), "41.50, early");
    assert.equal(connections[0]?.earlyDataAccepted, false);
    assert.equal(world.server.counters.early, 0);
    await until("the session has begun", () => log.lines.includes("open"));
    assert.deepEqual(log.lines, ["new", "price early", "open"]);
  });

  test("goes on with its session by its first packets: nothing is lost, and nothing comes twice", async (t) => {
    const log = new Log();
    const world = await EarlyWorld.begin(t, log.behaviour);
    const { behaviour, connections } = asking();
    const session = await world.connect(behaviour, { reconnect: { delayMs: 1 } });
    await world.hasTicket();
    await session.sendAcked("one");
    world.relay.block("toClient");
    session.abandon();
    const reply = session.request("price", "", idempotent);
    session.send("two");
    await until("the hello has come early", () => world.server.counters.early === 1);
    assert.ok(!log.lines.includes("resumed"), "a welcome changes nothing");
    world.relay.unblock("toClient");
    assert.equal(textOf(await reply), "41.50, early");
    await until("all has come", () => log.lines.includes("two"));
    assert.deepEqual([connections[1]?.resumed, connections[1]?.earlyDataAccepted], [true, true]);
    assert.deepEqual(log.lines, ["new", "open", "one", "resuming", "price early", "resumed", "two"]);
  });
});

describe("without earlyData", () => {
  for (const [side, client, server] of [
    ["the client", undefined, true],
    ["the server", true, false],
  ] as const) {
    test(`of ${side} nothing is early`, async (t) => {
      const log = new Log();
      const { earlyRequests: _, ...plain } = log.behaviour;
      const world = await EarlyWorld.begin(t, server ? log.behaviour : plain, { earlyData: server });
      const options = client === undefined ? { earlyData: false } : {};
      await (await world.connect({}, options)).close();
      log.clear();
      const { behaviour, replies, connections } = asking(["price", true]);
      await world.connect(behaviour, options);
      assert.equal(textOf(await replies[0]), "41.50, in session");
      assert.equal(world.store.size, 0, "there are no tickets");
      assert.equal(connections[0]?.earlyDataAccepted, undefined);
      assert.deepEqual([world.server.counters.early, log.lines], [0, ["new", "open", "price in session"]]);
    });
  }
});

describe("early data is refused", () => {
  const listen = "quic://127.0.0.1:0";
  for (const [what, options, behaviour, reason] of [
    ["over transports that have none", { listen: "tcp://127.0.0.1:0", earlyData: true }, {}, /QUIC/],
    [
      "beside client certificates",
      { listen, earlyData: true, tls: { ...identity, clientCertificate: "request", clientCa: "" } },
      {},
      /clientCertificate/,
    ],
    ["to handlers without the option", { listen, tls: identity }, { earlyRequests: {} }, /earlyData: true/],
  ] as const) {
    test(`by a server ${what}`, async () => {
      await assert.rejects(createServer(options, behaviour), reason);
    });
  }

  test("by a client without QUIC, with another codec or pins, and with a store that is none", async () => {
    const pins = [`sha256/${"A".repeat(43)}=`];
    const codec = { name: "own", encode: () => new Uint8Array(1), decode: () => undefined } as never;
    for (const [url, options] of [
      ["wss://localhost", { earlyData: true }],
      ["quic://localhost", { earlyData: { store: new Map() as never, tickets: 1 } as never }],
      ["quic://localhost", { earlyData: { store: {} as never } }],
      ["quic://localhost", { earlyData: true, codecs: [codec] }],
      ["quic://localhost", { earlyData: true, tls: { pins } }],
    ] as const) {
      await assert.rejects(connect(url, options), InvalidArgumentError);
    }
  });
});
