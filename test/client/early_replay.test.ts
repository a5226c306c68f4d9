import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { CloseCode, type FrameContents } from "millrace";
import type { ClientBehaviour, ClientSession } from "millrace/client";
import * as quic from "millrace/quic";
import type { Reply, ServerBehaviour } from "millrace/server";
import { encodeCommit } from "#internal/delivery/commit.js";
import { encodeEarly } from "#internal/delivery/early_message.js";
import { encodeHello, readHello } from "#internal/delivery/hello.js";
import { batchFlag } from "#internal/frame/batch.js";
import { decodeFrame, encodeFrame, FrameView, Kind } from "#internal/frame/frame.js";
import { deferred } from "../kit/deferred.js";
import { addressOf, EarlyWorld } from "../kit/early_world.js";
import { lanePrefix } from "../kit/lane.js";
import { Loopback } from "../kit/loopback.js";
import { replay } from "../kit/replay.js";
import { until } from "../kit/until.js";

/** Copies that lead to nothing are given up soon. */
const brief = { authenticateTimeoutMs: 2_000 };
/** What is lost on purpose is sent again ever later. */
const patient = { connectTimeoutMs: 60_000 };
const sessionProtocol = "millrace/1";

/** Counts what a server was asked to do. */
class Effects {
  early = 0;
  late = 0;
  resumed = 0;
  readonly messages: string[] = [];
  readonly behaviour: ServerBehaviour = {
    earlyRequests: { pay: () => `paid ${++this.early}` },
    requests: { pay: () => `paid late ${++this.late}` },
    earlyEvents: { pay: () => void ++this.early },
    events: { pay: () => void ++this.late },
    resumed: () => {
      this.resumed += 1;
    },
    message: (_session, message) => void this.messages.push(message.text()),
  };
}

/** Both ways to pay, and what tells that it went well. */
const ways = {
  request: async (session: ClientSession) => {
    const reply: Reply = await session.request("pay", "", { idempotent: true });
    return reply.status === "success" && reply.text() === "paid 1";
  },
  message: async (session: ClientSession) => {
    const { status } = await session.sendAcked("", { subject: "pay", idempotent: true });
    return status === "acknowledged";
  },
};

/** Pays before it is connected. */
function paying(pay: (session: ClientSession) => Promise<boolean>) {
  const paid = deferred<boolean>();
  const behaviour: ClientBehaviour = { connecting: (session) => void pay(session).then(paid.resolve) };
  return { behaviour, paid: paid.promise };
}

function bytesOf(frame: FrameContents): Uint8Array {
  return encodeFrame(frame, frame.payload, frame);
}

const hello = {
  ...{ version: 1, clientId: undefined, token: new Uint8Array(0), resumption: undefined, meta: [] },
  ...{ heartbeatMs: undefined, windowBytes: 65_536, maxMessageBytes: 65_536 },
};
const pay: FrameContents = {
  ...{ kind: Kind.Request, flags: 0, channel: 0, type: 1, seq: 0, ref: 0 },
  ...{ subject: "pay", payload: new Uint8Array(0) },
};

const message: FrameContents = { ...pay, kind: Kind.Message };
const id = { key: "id", value: new Uint8Array(1) };
const nonce = { key: "early", value: new Uint8Array(16) };
const batched = bytesOf({ ...message, flags: batchFlag, meta: [nonce] });

describe("a session's first flight that is copied", () => {
  for (const [what, pay] of Object.entries(ways)) {
    test(`and comes again has no second effect: its ${what}`, async (t) => {
      const effects = new Effects();
      const world = await EarlyWorld.begin(t, effects.behaviour, brief);
      await world.earnTicket();
      const { behaviour, paid } = paying(pay);
      await world.connect(behaviour);
      assert.equal(await paid, true);
      await replay(world.flight, addressOf(world.server).port, 100);
      assert.deepEqual([effects.early, effects.late], [1, 0]);
      assert.equal(world.server.sessionCount, 1);
    });

    test(`and overtakes it is done once for both, and the client gets the answer: its ${what}`, async (t) => {
      const effects = new Effects();
      const world = await EarlyWorld.begin(t, effects.behaviour, brief);
      await world.earnTicket();
      const { behaviour, paid } = paying(pay);
      world.relay.block("toServer");
      const joining = world.connect(behaviour, patient);
      await until("it is on its way", () => world.flight.length > 0);
      await replay(world.flight, addressOf(world.server).port, 20);
      assert.equal(effects.early, 1, "one copy was taken for it");
      world.relay.unblock("toServer");
      await joining;
      assert.equal(await paid, true);
      assert.deepEqual([effects.early, effects.late], [1, 0]);
    });
  }

  test("takes up no session: only who completes the handshake does", async (t) => {
    const effects = new Effects();
    const world = await EarlyWorld.begin(t, effects.behaviour, brief);
    const session = await world.connect({}, { ...patient, reconnect: { delayMs: 1 } });
    await world.hasTicket();
    world.forgetClients();
    session.send("one");
    await until("it has come", () => effects.messages.length === 1);
    world.relay.block("toServer");
    session.abandon();
    session.send("two");
    await until("it says who it is", () => world.flight.some((datagram) => datagram.length >= 1_200));
    await replay(world.flight, addressOf(world.server).port, 20);
    assert.ok(world.server.counters.early > 0, "a copy was taken for it");
    assert.equal(effects.resumed, 0);
    world.relay.unblock("toServer");
    await until("it has gone on", () => effects.resumed === 1);
    await until("nothing is lost", () => effects.messages.length === 2);
    assert.deepEqual(effects.messages, ["one", "two"]);
  });
});

test("a server's authenticate may wait until a hello is known to be no copy", async (t) => {
  const seen: string[] = [];
  const world = await EarlyWorld.begin(t, {
    async authenticate(_hello, context) {
      seen.push("asked");
      await context.confirmed;
      seen.push("confirmed");
    },
  });
  await world.earnTicket();
  seen.length = 0;
  world.relay.block("toClient");
  const joining = world.connect();
  await until("it is asked", () => seen.length > 0);
  assert.deepEqual(seen, ["asked"]);
  world.relay.unblock("toClient");
  await joining;
  assert.deepEqual(seen, ["asked", "confirmed"]);
});

describe("a peer that sends early what it should not", () => {
  /** Connects by hand, with the ticket of the world's client; nothing comes back yet. */
  async function dialEarly(world: EarlyWorld): Promise<quic.QuicConnection> {
    world.relay.block("toClient");
    const resumption = { store: world.store, earlyData: true };
    return quic.connect(world.url, { alpn: [sessionProtocol], tls: world.tls, resumption });
  }

  function openLane(connection: quic.QuicConnection, lane: number): quic.QuicStream {
    const stream = connection.openStream({ direction: "unidirectional", idempotent: true });
    stream.write(lanePrefix(lane, 0));
    return stream;
  }

  test("by a commit begins no session, and is closed", async (t) => {
    const never = { authenticateTimeoutMs: 3_600_000 }; // nothing else ends a connection
    const world = await EarlyWorld.begin(t, {}, never);
    await world.earnTicket();
    await until("the first connection has gone", () => world.server.connectionCount === 0);
    const { opened } = world.server.counters;
    const connection = await dialEarly(world);
    const lane = openLane(connection, 0);
    lane.write(bytesOf(encodeHello(hello)));
    lane.write(bytesOf(encodeCommit()));
    t.after(() => connection.close({ graceful: false }));
    await until("the hello has come", () => world.server.counters.early === 1);
    await until("it is closed", () => world.server.connectionCount === 0);
    assert.equal(world.server.counters.opened, opened);
  });

  test("by a message is heard when it has committed, and not before", async (t) => {
    const effects = new Effects();
    const world = await EarlyWorld.begin(t, effects.behaviour);
    await world.earnTicket();
    const connection = await dialEarly(world);
    t.after(() => connection.close({ graceful: false }));
    const lane = openLane(connection, 0);
    const message = { kind: Kind.Message, flags: 0, channel: 1, type: 0, seq: 1, ref: 0 };
    openLane(connection, 1).write(bytesOf({ ...message, payload: Buffer.from("held") }));
    lane.write(bytesOf(encodeHello(hello)));
    await until("the hello has come", () => world.server.counters.early === 1);
    world.relay.unblock("toClient");
    await connection.opened;
    assert.deepEqual(effects.messages, []);
    lane.write(bytesOf(encodeCommit()));
    await until("it is heard", () => effects.messages.length === 1);
    assert.deepEqual(effects.messages, ["held"]);
  });

  for (const [what, early] of Object.entries({
    "more requests than may be": Array.from({ length: 17 }, () => encodeEarly(pay, new Uint8Array(16))),
    "larger ones than may be": [encodeEarly({ ...pay, payload: new Uint8Array(9_000) }, new Uint8Array(16))],
    "one that nothing tells from its copies": [bytesOf(pay)],
    "one with too few bytes for that": [encodeEarly(pay, new Uint8Array(15))],
    "a publication": [encodeEarly({ ...pay, kind: Kind.Publish }, new Uint8Array(16))],
    "a batch of messages": [batched],
    "a message that waits for what there is not": [
      encodeEarly(
        { ...message, meta: [{ key: "ack", value: new Uint8Array([9, 0, 0, 0]) }] },
        new Uint8Array(16),
      ),
    ],
    "a message of two ids": [encodeEarly({ ...message, meta: [id, id] }, new Uint8Array(16))],
    "more messages and requests than may be": Array.from({ length: 17 }, (_, at) =>
      encodeEarly(at % 2 === 0 ? pay : message, new Uint8Array(16)),
    ),
    "bytes that are no frame": [new Uint8Array(60)],
  })) {
    test(`by ${what} in its hello is closed, and nothing is done`, async (t) => {
      const effects = new Effects();
      const world = await EarlyWorld.begin(t, effects.behaviour);
      await world.earnTicket();
      const connection = await dialEarly(world);
      openLane(connection, 0).write(bytesOf(encodeHello({ ...hello, early })));
      world.relay.unblock("toClient");
      const info = await connection.closed;
      assert.equal(info.by, "peer");
      assert.ok([CloseCode.protocolViolation, CloseCode.frameMalformed].includes(info.code as never), what);
      assert.equal(effects.early, 0);
    });
  }
});

test("what a client sends early is one hello, and in it what is idempotent", async (t) => {
  const loopback = await Loopback.make();
  const early: Buffer[] = [];
  const listener = await loopback.listenRaw(
    t,
    {
      earlyData: () => "accept",
      data: (stream, chunk) => void (stream.early && early.push(Buffer.from(chunk))),
    },
    { alpn: [sessionProtocol], resumption: { earlyData: true }, initialRttMs: 20 },
  );
  const { connect } = await import("millrace/client");
  const store = new quic.MemoryTicketStore();
  const comeAndGo = async (behaviour: ClientBehaviour, isDone: () => boolean) => {
    const leave = new AbortController();
    const options = { tls: { ca: loopback.ca }, earlyData: { store }, signal: leave.signal };
    const joining = connect(`quic://127.0.0.1:${listener.address.port}`, options, behaviour);
    await until("the client has been here", isDone);
    leave.abort();
    await assert.rejects(joining);
  };
  await comeAndGo({}, () => store.size === 1);
  const connecting: ClientBehaviour["connecting"] = (session) => {
    void session.request("price", "tea", { idempotent: true }).catch(() => {});
    session.send("bread", {
      subject: "seen",
      idempotent: true,
      meta: [{ key: "early", value: new Uint8Array(2) }],
    });
    void session.request("pay", "41.50").catch(() => {});
    session.send("hello");
    void session.request("price", "milk", { idempotent: true }).catch(() => {});
  };
  await comeAndGo({ connecting }, () => early.length > 0 && store.size === 1);
  const bytes = Buffer.concat(early).subarray(8);
  assert.equal(bytes.length, bytes.readUInt32LE(0) + 4, "one frame");
  const asked = readHello(decodeFrame(new Uint8Array(bytes), false, new FrameView())).early ?? [];
  const said = asked.map((frame) => decodeFrame(frame, false, new FrameView()));
  assert.deepEqual(
    said.map(({ subject, payload }) => [subject, Buffer.from(payload).toString()]),
    [
      ["price", "tea"],
      ["seen", "bread"],
    ],
  );
});
