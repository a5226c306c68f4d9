import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { describe, type TestContext, test } from "node:test";
import * as quic from "millrace/quic";
import { AbortedError, InvalidArgumentError, ListenerClosedError } from "#internal/errors.js";
import { CloseCode } from "#internal/transport/close.js";
import { Loopback, rawAlpn } from "../kit/loopback.js";
import { earnTicket, SpyStore, StolenTicket } from "../kit/tickets.js";
import { until } from "../kit/until.js";

const loopback = await Loopback.make();

function ticketKey(): quic.TicketKey {
  return { id: randomBytes(16), key: randomBytes(32) };
}

/** Whether a connection with what is in the store resumes; a server never refuses the connection itself. */
async function resumes(
  t: TestContext,
  port: number,
  store: quic.TicketStore,
  options: Partial<quic.QuicConnectOptions> = {},
): Promise<boolean> {
  const connection = await loopback.connectRaw(t, port, {}, { ...options, resumption: { store } });
  const { resumed } = connection;
  await connection.close();
  return resumed;
}

describe("resumption", () => {
  test("is off on both sides unless asked for", async (t) => {
    const silent = await loopback.listenRaw(t, {});
    const store = new SpyStore();
    const connection = await loopback.connectRaw(t, silent.address.port, {}, { resumption: { store } });
    const stream = connection.openStream();
    stream.end();
    await connection.close();
    assert.deepEqual(store.calls, ["get"]);

    const generous = await loopback.listenRaw(t, {}, { resumption: {} });
    const first = await loopback.connectRaw(t, generous.address.port);
    await first.close();
    const second = await loopback.connectRaw(t, generous.address.port);
    assert.equal(second.resumed, false);
  });

  test("uses the ticket of the connection before, and both sides know", async (t) => {
    const served: boolean[] = [];
    const listener = await loopback.listenRaw(
      t,
      { open: (connection) => served.push(connection.resumed) },
      { resumption: {} },
    );
    const { port } = listener.address;
    const store = new quic.MemoryTicketStore();
    await earnTicket(t, loopback, port, store);
    const { connectionsResumed } = quic.quicCounters();
    assert.equal(await resumes(t, port, store), true);
    await until("both were served", () => served.length === 2);
    assert.equal(
      quic.quicCounters().connectionsResumed,
      connectionsResumed + 2,
      "both ends are of this process",
    );
    assert.deepEqual(served, [false, true]);
  });

  test("takes a ticket out of the store before it uses it, and keeps the next one", async (t) => {
    const listener = await loopback.listenRaw(t, {}, { resumption: {} });
    const store = new SpyStore();
    const { port } = listener.address;
    for (const resumed of [false, true, true]) {
      const connection = await loopback.connectRaw(t, port, {}, { resumption: { store } });
      assert.equal(connection.resumed, resumed);
      await until("the server gives a ticket", () => store.tickets.size === 1);
      await connection.close();
    }
    const once = ["get", "delete", "set"];
    assert.deepEqual(store.calls, ["get", "set", ...once, ...once]);
    const twoHours = Date.now() + 7_200_000;
    for (const expiry of store.expiries) assert.ok(Math.abs(expiry - twoHours) < 60_000, String(expiry));
  });

  test("gives one ticket to one of two connect calls at once", async (t) => {
    const listener = await loopback.listenRaw(t, {}, { resumption: {} });
    const { port } = listener.address;
    const memory = new quic.MemoryTicketStore();
    await earnTicket(t, loopback, port, memory);
    const slow: quic.TicketStore = {
      get: async (key) => memory.get(key),
      set: async () => {},
      delete: async (key) => memory.delete(key),
    };
    const both = await Promise.all([resumes(t, port, slow), resumes(t, port, slow)]);
    assert.deepEqual(both.sort(), [false, true]);
  });

  test("survives a store that fails", async (t) => {
    const listener = await loopback.listenRaw(t, {}, { resumption: {} });
    const fail = (): never => {
      throw new Error("disk full");
    };
    const broken: quic.TicketStore = { get: fail, set: fail, delete: fail };
    assert.equal(await resumes(t, listener.address.port, broken), false);
    const rejecting: quic.TicketStore = { get: async () => fail(), set: async () => fail(), delete: fail };
    assert.equal(await resumes(t, listener.address.port, rejecting), false);
  });

  test("does not wait for a store that never answers, nor do the connections behind it", async (t) => {
    const listener = await loopback.listenRaw(t, {}, { resumption: {} });
    const { port } = listener.address;
    const never = new Promise<never>(() => {});
    let gets = 0;
    const silent: quic.TicketStore = { get: () => (gets++ === 0 ? never : undefined), set() {}, delete() {} };
    const waiting = { handshakeTimeoutMs: 2_000 };
    const both = await Promise.all([resumes(t, port, silent, waiting), resumes(t, port, silent, waiting)]);
    assert.deepEqual(both, [false, false]);
    assert.equal(await resumes(t, port, { get: () => never, set() {}, delete: () => never }, waiting), false);
  });

  test("leaves a store that does not answer when the caller's signal fires", async (t) => {
    const listener = await loopback.listenRaw(t, {}, { resumption: {} });
    const cancel = new AbortController();
    const store: quic.TicketStore = {
      get() {
        cancel.abort();
        return new Promise(() => {});
      },
      set() {},
      delete() {},
    };
    const { signal } = cancel;
    await assert.rejects(
      loopback.connectRaw(t, listener.address.port, {}, { signal, resumption: { store } }),
      AbortedError,
    );
  });

  test("makes a full handshake of a ticket that somebody has damaged", async (t) => {
    const listener = await loopback.listenRaw(t, {}, { resumption: {} });
    const { port } = listener.address;
    const store = new SpyStore();
    await earnTicket(t, loopback, port, store);
    const [[key, good]] = [...store.tickets] as [[string, Uint8Array]];
    const damages = [
      new Uint8Array(0),
      good.slice(0, 40),
      good.slice(0, -200),
      randomBytes(good.length),
      Buffer.concat([good, new Uint8Array(70_000)]),
      Uint8Array.from(good, (byte, at) => (at === good.length >> 1 ? byte ^ 1 : byte)),
      "not bytes" as unknown as Uint8Array,
    ];
    for (const damaged of damages) {
      store.tickets.set(key, damaged);
      assert.equal(await resumes(t, port, store), false);
    }
  });

  test("never uses a ticket that another trust, name or protocol has earned", async (t) => {
    const alpn = [rawAlpn, "other"];
    const listener = await loopback.listenRaw(t, {}, { alpn, resumption: {} });
    const { port } = listener.address;
    const insecure = { tls: { insecure: true } };
    const store = new quic.MemoryTicketStore();
    await earnTicket(t, loopback, port, store, insecure);
    assert.equal(await resumes(t, port, store), false, "checked now, not checked then");
    assert.equal(await resumes(t, port, store, { tls: { ca: loopback.ca, serverName: "localhost" } }), false);
    assert.equal(await resumes(t, port, store, { ...insecure, alpn: ["other"] }), false);
    assert.equal(await resumes(t, port, store, insecure), true);
  });

  test("ends with the ticket's lifetime", async (t) => {
    const listener = await loopback.listenRaw(t, {}, { resumption: { ticketLifetimeMs: 1_000 } });
    const { port } = listener.address;
    const store = new StolenTicket();
    await earnTicket(t, loopback, port, store);
    const issued = performance.now();
    assert.equal(await resumes(t, port, store), true);
    await until("the ticket has expired", () => performance.now() > issued + 1_100);
    assert.equal(await resumes(t, port, store), false);
  });

  test("makes a full handshake where the server has lowered its limits since", async (t) => {
    const ticketKeys = [ticketKey()];
    const wide = await loopback.listenRaw(t, {}, { resumption: { ticketKeys } });
    const store = new StolenTicket();
    await earnTicket(t, loopback, wide.address.port, store);
    const narrow = await loopback.listenRaw(t, {}, { peerBidiStreams: 4, resumption: { ticketKeys } });
    assert.equal(await resumes(t, narrow.address.port, store), false);
    assert.equal(await resumes(t, wide.address.port, store), true);
  });

  test("is not accepted with options that cannot be", async () => {
    const host = "127.0.0.1";
    const base = { host, port: 0, alpn: [rawAlpn], tls: loopback.identity };
    const key = ticketKey();
    const wrong: unknown[] = [
      true,
      { earlyData: 1 },
      { ticketLifetimeMs: 999 },
      { ticketLifetimeMs: 7_200_001 },
      { maxTickets: 63 },
      { ticketKeys: [] },
      { ticketKeys: [{ id: randomBytes(15), key: randomBytes(32) }] },
      { ticketKeys: [{ id: randomBytes(16), key: randomBytes(31) }] },
      { ticketKeys: [key, { id: key.id, key: randomBytes(32) }] },
      { tickets: 1 },
    ];
    for (const resumption of wrong) {
      await assert.rejects(
        quic.listen({ ...base, resumption: resumption as quic.ServerResumptionOptions }, {}),
        InvalidArgumentError,
      );
    }
    const tls = { pins: [`sha256/${"A".repeat(43)}=`] };
    await assert.rejects(
      quic.connect("quic://127.0.0.1:1", { alpn: [rawAlpn], tls, resumption: { earlyData: true } }),
      /earlyData and tls.pins exclude each other/,
    );
    for (const resumption of [true, { store: {} }, { earlyData: "yes" }]) {
      await assert.rejects(
        quic.connect("quic://127.0.0.1:1", { alpn: [rawAlpn], resumption: resumption as object }),
        InvalidArgumentError,
      );
    }
  });
});

describe("ticket keys", () => {
  test("that are shared let two servers resume each other's sessions; others do not", async (t) => {
    const ticketKeys = [ticketKey()];
    const resumption = { ticketKeys };
    const one = await loopback.listenRaw(t, {}, { resumption });
    const store = new StolenTicket();
    await earnTicket(t, loopback, one.address.port, store);
    const two = await loopback.listenRaw(t, {}, { resumption });
    assert.equal(await resumes(t, two.address.port, store), true);
    const stranger = await loopback.listenRaw(t, {}, { resumption: {} });
    assert.equal(await resumes(t, stranger.address.port, store), false);
  });

  test("are rotated: a ticket resumes for as long as its key is in the list", async (t) => {
    const [first, second, third] = [ticketKey(), ticketKey(), ticketKey()];
    const listener = await loopback.listenRaw(t, {}, { resumption: { ticketKeys: [first] } });
    const { port } = listener.address;
    const [ofFirst, ofSecond] = [new StolenTicket(), new StolenTicket()];
    await earnTicket(t, loopback, port, ofFirst);
    await listener.setTicketKeys([second, first]);
    await earnTicket(t, loopback, port, ofSecond);
    assert.equal(await resumes(t, port, ofFirst), true, "the old key is still in the list");
    await listener.setTicketKeys([third, second]);
    assert.equal(await resumes(t, port, ofFirst), false, "its key is gone: a full handshake");
    assert.equal(await resumes(t, port, ofSecond), true, "the first of the list had made it");
  });

  test("are changed while connections are open, which are not touched", async (t) => {
    const echoed: string[] = [];
    const listener = await loopback.listenRaw(
      t,
      { data: (stream, chunk) => void stream.write(chunk) },
      { resumption: {} },
    );
    const connection = await loopback.connectRaw(t, listener.address.port, {
      data: (_, chunk) => echoed.push(Buffer.from(chunk).toString()),
    });
    await Promise.all([listener.setTicketKeys([ticketKey()]), listener.setTicketKeys([ticketKey()])]);
    connection.openStream().write(Buffer.from("still here"));
    await until("the echo", () => echoed.join("") === "still here");
  });

  test("are refused where there are no tickets, where they are none, and after the close", async (t) => {
    const without = await loopback.listenRaw(t, {});
    await assert.rejects(without.setTicketKeys([ticketKey()]), InvalidArgumentError);
    const listener = await loopback.listenRaw(t, {}, { resumption: {} });
    await assert.rejects(listener.setTicketKeys([]), InvalidArgumentError);
    await assert.rejects(
      listener.setTicketKeys([{ id: "x", key: "y" }] as unknown as quic.TicketKey[]),
      InvalidArgumentError,
    );
    await listener.close();
    await assert.rejects(listener.setTicketKeys([ticketKey()]), ListenerClosedError);
  });
});

test("early data is refused where the behaviour's answer is none, whatever it is", async (t) => {
  for (const answer of [Object.create(null), Promise.resolve(Object.create(null)), Symbol("accept"), null]) {
    const heard: string[] = [];
    const listener = await loopback.listenRaw(
      t,
      {
        earlyData: () => answer,
        stream: () => void heard.push("stream"),
        error: (_, cause) => void heard.push((cause as Error).name),
      },
      { resumption: { earlyData: true } },
    );
    const { port } = listener.address;
    const store = new quic.MemoryTicketStore();
    await earnTicket(t, loopback, port, store, { resumption: { earlyData: true } });
    const client = await loopback.connectRaw(t, port, {}, { resumption: { earlyData: true, store } });
    const stream = client.openStream({ idempotent: true });
    stream.write(new Uint8Array(1));
    assert.equal((await stream.closed).resetCode, CloseCode.tooEarly);
    assert.deepEqual(heard, ["InvalidArgumentError"]);
  }
});
