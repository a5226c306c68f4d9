import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { describe, type TestContext, test } from "node:test";
import * as quic from "millrace/quic";
import { createRelay } from "millrace/testing";
import {
  AbortedError,
  ConnectionClosedError,
  HandshakeTimeoutError,
  InvalidArgumentError,
} from "#internal/errors.js";
import { loadAddon } from "#internal/native/addon.js";
import { deferred } from "../kit/deferred.js";
import { earlyRelay } from "../kit/early_relay.js";
import { Loopback } from "../kit/loopback.js";
import { earnTicket, StolenTicket } from "../kit/tickets.js";
import { until } from "../kit/until.js";

const TOO_EARLY = 8;
/** Both ends try again soon where something is lost on purpose, and what is left without a peer goes soon. */
const takesEarlyData = { resumption: { earlyData: true }, initialRttMs: 20, idleTimeoutMs: 2_000 } as const;

const loopback = await Loopback.make();

/** What a server has seen, in order: "open", "stream", "data early:hello", "end". */
class Seen {
  readonly events: string[] = [];
  readonly behaviour: quic.QuicBehaviour = {
    open: () => void this.events.push("open"),
    stream: (stream) => void this.events.push(stream.early ? "early stream" : "stream"),
    data: (_, chunk) => void this.events.push(Buffer.from(chunk).toString()),
    end: (stream) => stream.end(),
    close: () => void this.events.push("close"),
  };

  get text(): string {
    return this.events.join(" ");
  }
}

function nativeStreams(): number {
  return loadAddon().processCounters().streams;
}

function send(connection: quic.QuicConnection, text: string, idempotent = true): quic.QuicStream {
  const stream = connection.openStream({ idempotent });
  stream.write(Buffer.from(text));
  stream.end();
  return stream;
}

/** Connects with early data when there is a ticket in the store. */
function connectEarly(
  t: TestContext,
  port: number,
  store: quic.TicketStore,
  options: Partial<quic.QuicConnectOptions> = {},
): Promise<quic.QuicConnection> {
  return loopback.connectRaw(t, port, {}, { ...options, resumption: { store, earlyData: true } });
}

describe("early data", () => {
  test("that is accepted is read, and answered, before the handshake is complete", async (t) => {
    const seen = new Seen();
    const decided: boolean[] = [];
    let earlyBytes = 0;
    const listener = await loopback.listenRaw(
      t,
      {
        ...seen.behaviour,
        earlyData: (stream) => {
          decided.push(stream.early);
          return "accept";
        },
        end: (stream) => {
          earlyBytes = stream.earlyBytes;
          stream.write(Buffer.from("answer"));
          stream.end();
        },
      },
      takesEarlyData,
    );
    const way = await earlyRelay(t, loopback, listener);
    await until("the first connection has gone", () => seen.text === "open close");
    seen.events.length = 0;
    let answer = "";
    const connection = await way.connectUnanswered({
      data: (_, chunk) => {
        answer += Buffer.from(chunk).toString();
      },
    });
    assert.equal(connection.state, "open");
    assert.equal(connection.earlyDataAccepted, undefined);
    send(connection, "hello");
    await until("the server has read it", () => seen.text === "early stream hello");
    assert.deepEqual(decided, [true]);
    way.release();
    await connection.opened;
    assert.equal(connection.resumed, true);
    assert.equal(connection.earlyDataAccepted, true);
    await until("the answer has come", () => answer === "answer");
    await until("the server is told of the handshake", () => seen.events.includes("open"));
    assert.equal(seen.text, "early stream hello open");
    assert.equal(earlyBytes, 5);
  });

  test("waits for the handshake where nobody accepts it", async (t) => {
    for (const earlyData of [undefined, () => "hold" as const, async () => "hold" as const]) {
      const seen = new Seen();
      const behaviour = earlyData === undefined ? seen.behaviour : { ...seen.behaviour, earlyData };
      const listener = await loopback.listenRaw(t, behaviour, takesEarlyData);
      const way = await earlyRelay(t, loopback, listener);
      await until("the connection that earned the ticket has gone", () => seen.text === "open close");
      seen.events.length = 0;
      const connection = await way.connectUnanswered();
      send(connection, "hello");
      await until("the server holds it", () => listener.connectionCount === 1);
      assert.equal(seen.text, "");
      way.release();
      await connection.opened;
      assert.equal(connection.earlyDataAccepted, true);
      await until("the server has read it", () => seen.text === "open early stream hello");
    }
  });

  test("that is refused resets its stream, and nothing else", async (t) => {
    const seen = new Seen();
    const listener = await loopback.listenRaw(
      t,
      { ...seen.behaviour, earlyData: () => "refuse" },
      takesEarlyData,
    );
    const way = await earlyRelay(t, loopback, listener);
    await until("the first connection has gone", () => seen.text === "open close");
    seen.events.length = 0;
    const codes: Record<string, number> = {};
    const connection = await way.connectUnanswered({
      reset: (_, code) => {
        codes.reset = code;
      },
      stopped: (_, code) => {
        codes.stopped = code;
      },
    });
    const early = connection.openStream({ idempotent: true });
    early.write(Buffer.from("hello"));
    const late = send(connection, "late", false);
    way.release();
    await Promise.all([early.closed, late.closed, connection.opened]);
    assert.deepEqual(codes, { reset: TOO_EARLY, stopped: TOO_EARLY });
    assert.equal(connection.state, "open");
    assert.equal(seen.text, "open stream late");
  });

  test("is refused, and the reason reported, where the decision fails or is none", async (t) => {
    const cause = new Error("no idea");
    const bad: Pick<quic.QuicBehaviour, "earlyData">[] = [
      {
        earlyData: () => {
          throw cause;
        },
      },
      { earlyData: () => Promise.reject(cause) },
      { earlyData: () => "perhaps" as "accept" },
    ];
    for (const decision of bad) {
      const seen = new Seen();
      const errors: unknown[] = [];
      const listener = await loopback.listenRaw(
        t,
        { ...seen.behaviour, ...decision, error: (_, error) => errors.push(error) },
        takesEarlyData,
      );
      const store = new StolenTicket();
      await earnTicket(t, loopback, listener.address.port, store);
      const connection = await connectEarly(t, listener.address.port, store);
      const { resetCode, stopCode } = await send(connection, "hello").closed;
      assert.equal(resetCode ?? stopCode, TOO_EARLY);
      assert.equal(errors.length, 1);
      assert.ok(errors[0] === cause || errors[0] instanceof InvalidArgumentError, String(errors[0]));
      assert.ok(!seen.events.includes("hello"));
    }
  });

  test("waits for a decision that takes longer than the handshake", async (t) => {
    const seen = new Seen();
    const decision = deferred<quic.EarlyDataDecision>();
    const listener = await loopback.listenRaw(
      t,
      { ...seen.behaviour, earlyData: () => decision.promise },
      takesEarlyData,
    );
    const store = new StolenTicket();
    await earnTicket(t, loopback, listener.address.port, store);
    await until("the first connection has gone", () => seen.text === "open close");
    const connection = await connectEarly(t, listener.address.port, store);
    const early = send(connection, "early");
    await connection.opened;
    await send(connection, "late", false).closed;
    assert.equal(seen.text, "open close open stream late");
    decision.resolve("hold");
    await early.closed;
    assert.equal(seen.text, "open close open stream late early stream early");
  });

  test("is only what was written to idempotent streams, whatever else was done to the others", async (t) => {
    const seen = new Seen();
    const listener = await loopback.listenRaw(
      t,
      { ...seen.behaviour, earlyData: () => "accept" },
      takesEarlyData,
    );
    const way = await earlyRelay(t, loopback, listener);
    await until("the first connection has gone", () => seen.text === "open close");
    seen.events.length = 0;
    const connection = await way.connectUnanswered();
    send(connection, "waits", false);
    connection.openStream().end(); // a FIN without a byte
    const stopped = connection.openStream({ direction: "bidirectional" });
    stopped.write(Buffer.from("stopped"));
    stopped.stopSending(1);
    const reset = connection.openStream();
    reset.write(Buffer.from("reset"));
    reset.reset(2);
    const uni = connection.openStream({ direction: "unidirectional" });
    uni.write(Buffer.from("one-way"));
    assert.throws(() => connection.sendDatagram(Buffer.from("datagram")), InvalidArgumentError);
    send(connection, "goes");
    await until("the server has read it", () => seen.text === "early stream goes");
    const sent = way.relay.counters.toServer.forwarded;
    await until("the client has tried again", () => way.relay.counters.toServer.forwarded > sent + 2);
    assert.equal(seen.text, "early stream goes");
    way.release();
    await connection.opened;
    await until("the rest comes", () =>
      ["waits", "stopped", "one-way"].every((text) => seen.events.includes(text)),
    );
    assert.equal(seen.events.filter((event) => event === "waits").length, 1);
    assert.equal(seen.events[2], "open");
  });

  test("that TLS refuses is sent again after the handshake, and comes once", async (t) => {
    const seen = new Seen();
    const off = await loopback.listenRaw(t, seen.behaviour, { resumption: { earlyData: false } });
    const on = await loopback.listenRaw(t, seen.behaviour, takesEarlyData);
    const strangers = await loopback.listenRaw(t, seen.behaviour, takesEarlyData);
    const used = new StolenTicket();
    await earnTicket(t, loopback, on.address.port, used);
    const first = await connectEarly(t, on.address.port, used);
    await send(first, "x").closed;
    assert.equal(first.earlyDataAccepted, true);
    const disabled = new StolenTicket();
    await earnTicket(t, loopback, off.address.port, disabled);
    const cases = [
      { what: "a ticket that was used", port: on.address.port, store: used, resumed: true },
      { what: "early data is off", port: off.address.port, store: disabled, resumed: true },
      { what: "another's ticket", port: strangers.address.port, store: used, resumed: false },
    ];
    for (const { what, port, store, resumed } of cases) {
      seen.events.length = 0;
      const text = randomBytes(4_000).toString("hex");
      const connection = await connectEarly(t, port, store);
      const stream = send(connection, text);
      await connection.opened;
      assert.equal(connection.earlyDataAccepted, false, what);
      assert.equal(connection.resumed, resumed, what);
      await stream.closed;
      const [open, begun, ...chunks] = seen.events.filter((event) => event !== "close");
      assert.deepEqual([open, begun], ["open", "stream"], what);
      assert.equal(chunks.join(""), text, what);
    }
  });

  test("is not sent without a ticket: then connecting is as ever", async (t) => {
    const seen = new Seen();
    const listener = await loopback.listenRaw(t, seen.behaviour, takesEarlyData);
    const connection = await connectEarly(t, listener.address.port, new quic.MemoryTicketStore());
    assert.equal(connection.protocol, "millrace-test");
    await connection.opened;
    assert.equal(connection.earlyDataAccepted, undefined);
    await send(connection, "hello").closed;
    assert.equal(seen.text, "open stream hello");
  });

  test("is not taken from tickets that are older than the latest maxTickets", async (t) => {
    const listener = await loopback.listenRaw(
      t,
      { end: (stream) => stream.end() },
      { resumption: { earlyData: true, maxTickets: 64 } },
    );
    const { port } = listener.address;
    const [oldest, older, newest] = [new StolenTicket(), new StolenTicket(), new StolenTicket()];
    await earnTicket(t, loopback, port, oldest);
    await earnTicket(t, loopback, port, older);
    for (let i = 0; i < 62; i++) await earnTicket(t, loopback, port, new StolenTicket());
    await earnTicket(t, loopback, port, newest);
    // Sixty-five tickets are out. Each connection that follows is given one more.
    const accepted = async (store: quic.TicketStore) => {
      const connection = await connectEarly(t, port, store);
      await connection.opened;
      return connection.earlyDataAccepted;
    };
    assert.equal(await accepted(older), true);
    assert.equal(await accepted(oldest), false);
    assert.equal(await accepted(newest), true);
  });

  test("of megabytes is held within the windows, and comes whole and once", async (t) => {
    const received: Buffer[] = [];
    const listener = await loopback.listenRaw(
      t,
      {
        data: (_, chunk) => received.push(Buffer.from(chunk)),
        end: (stream) => stream.end(),
      },
      takesEarlyData,
    );
    const way = await earlyRelay(t, loopback, listener);
    const before = way.relay.counters.toServer.forwarded;
    const connection = await way.connectUnanswered();
    const bytes = randomBytes(900_000);
    const stream = connection.openStream({ idempotent: true });
    assert.notEqual(stream.write(bytes), "dropped");
    stream.end();
    await until("the congestion window is full", () => way.relay.counters.toServer.forwarded > before + 9);
    assert.equal(received.length, 0);
    way.release();
    await stream.closed;
    assert.ok(Buffer.concat(received).equals(bytes));
  });
});

describe("a connection that was given out early", () => {
  test("fails like any other when nobody answers, and its streams with it", async (t) => {
    const connections = loadAddon().processCounters().connections;
    const seen: string[] = [];
    const listener = await loopback.listenRaw(t, {}, takesEarlyData);
    const way = await earlyRelay(t, loopback, listener, { handshakeTimeoutMs: 300 });
    await listener.close();
    const connection = await way.connectUnanswered({
      streamClose: () => void seen.push("streamClose"),
      close: () => void seen.push("close"),
    });
    const streams = [send(connection, "early"), send(connection, "late", false)];
    await assert.rejects(connection.opened, HandshakeTimeoutError);
    const info = await connection.closed;
    assert.ok(info.error instanceof HandshakeTimeoutError);
    for (const stream of streams) {
      await stream.closed;
      assert.throws(() => stream.write(Buffer.from("more")));
    }
    assert.deepEqual(seen, ["streamClose", "streamClose", "close"]);
    await until("the engine has let go", () => loadAddon().processCounters().connections <= connections + 1);
  });

  test("is given up by the caller's signal", async (t) => {
    const listener = await loopback.listenRaw(t, {}, takesEarlyData);
    const controller = new AbortController();
    const way = await earlyRelay(t, loopback, listener, { signal: controller.signal });
    const connection = await way.connectUnanswered();
    const stream = send(connection, "late", false);
    controller.abort();
    await assert.rejects(connection.opened, AbortedError);
    await Promise.all([stream.closed, connection.closed]);
  });

  test("can be closed at once, by force or gently, before anything was sent", async (t) => {
    const seen = new Seen();
    const listener = await loopback.listenRaw(t, seen.behaviour, takesEarlyData);
    const { port } = listener.address;
    for (const graceful of [false, true]) {
      const store = new StolenTicket();
      await earnTicket(t, loopback, port, store);
      const streams = nativeStreams();
      const connection = await connectEarly(t, port, store);
      const early = connection.openStream({ idempotent: true });
      const late = connection.openStream();
      early.write(Buffer.from(`early ${graceful}`));
      late.write(Buffer.from(`late ${graceful}`));
      early.end();
      late.end();
      const opened = connection.opened.catch((error: unknown) => error);
      const info = await connection.close({ graceful });
      assert.equal(info.by, "local");
      await Promise.all([early.closed, late.closed]);
      const outcome = await opened;
      if (graceful) assert.equal(outcome, undefined);
      else assert.ok(outcome === undefined || outcome instanceof ConnectionClosedError);
      await until("the engine has let go of the streams", () => nativeStreams() <= streams);
    }
    assert.ok(seen.events.includes("early true") && seen.events.includes("late true"), seen.text);
  });

  test("leaves nothing behind on a server that never hears from it again", async (t) => {
    const seen = new Seen();
    const listener = await loopback.listenRaw(t, seen.behaviour, {
      ...takesEarlyData,
      handshakeTimeoutMs: 2_000,
    });
    const way = await earlyRelay(t, loopback, listener, { handshakeTimeoutMs: 1_000 });
    await until("the first connection has gone", () => seen.text === "open close");
    seen.events.length = 0;
    const before = loadAddon().processCounters();
    const connection = await way.connectUnanswered();
    send(connection, "hello");
    const failed = assert.rejects(connection.opened, HandshakeTimeoutError);
    await until("the server holds it", () => listener.connectionCount === 1);
    await failed;
    await until("both have let go", () => {
      const now = loadAddon().processCounters();
      const isGone = now.streams <= before.streams && now.connections <= before.connections;
      return isGone && listener.connectionCount === 0;
    });
    assert.equal(seen.text, "");
  });

  test("tells of streams that were decided about, when it never completes", async (t) => {
    const events: string[] = [];
    const undecided = deferred<quic.EarlyDataDecision>();
    const listener = await loopback.listenRaw(
      t,
      {
        earlyData: () => undecided.promise,
        open: () => void events.push("open"),
        stream: () => void events.push("stream"),
        data: () => void events.push("data"),
        streamClose: () => void events.push("streamClose"),
        close: () => void events.push("close"),
      },
      { ...takesEarlyData, handshakeTimeoutMs: 2_000 },
    );
    const way = await earlyRelay(t, loopback, listener, { handshakeTimeoutMs: 1_000 });
    await until("the first connection has gone", () => events.join(" ") === "open close");
    events.length = 0;
    const connection = await way.connectUnanswered();
    send(connection, "hello");
    await assert.rejects(connection.opened, HandshakeTimeoutError);
    await until("the server gives up", () => events.includes("close"));
    undecided.resolve("hold");
    await until("the stream's end is told", () => events.includes("streamClose"));
    assert.deepEqual(events, ["close", "streamClose"]);
  });
});

describe("a ticket", () => {
  test("is no identity: who resumes shows no certificate, so the two exclude each other", async (t) => {
    const tls = { ...loopback.identity, clientCertificate: "require", clientCa: loopback.ca } as const;
    await assert.rejects(loopback.listenRaw(t, {}, { tls, resumption: {} }), InvalidArgumentError);
    const accepted: quic.QuicConnection[] = [];
    const behaviour: quic.QuicBehaviour = { open: (connection) => void accepted.push(connection) };
    const listener = await loopback.listenRaw(t, behaviour, { resumption: {}, idleTimeoutMs: 2_000 });
    await assert.rejects(listener.updateTls(tls), InvalidArgumentError);
    const thief = new StolenTicket();
    await earnTicket(t, loopback, listener.address.port, thief);
    const relay = await createRelay({ target: listener.address });
    t.after(() => relay.close());
    const connection = await loopback.connectRaw(t, relay.address.port, {}, { resumption: { store: thief } });
    assert.equal(connection.resumed, true);
    await until("the server has it", () => accepted.length === 2);
    // All that the server knows of whoever holds the ticket; its application asks as it asks everybody.
    assert.equal(accepted[1]!.resumed, true);
    assert.equal(accepted[1]!.peerCertificate, undefined);
  });
});
