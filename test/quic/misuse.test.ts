import assert from "node:assert/strict";
import { describe, type TestContext, test } from "node:test";
import fc from "fast-check";
import * as quic from "millrace/quic";
import {
  ConnectionClosedError,
  InvalidArgumentError,
  MillraceError,
  StreamClosedError,
} from "#internal/errors.js";
import { Loopback } from "../kit/loopback.js";
import { openPair } from "../kit/pair.js";
import { until } from "../kit/until.js";

const loopback = await Loopback.make();

/** Values that no argument should be, and some that one may be. */
const oddValue = fc.oneof(
  fc.anything({ maxDepth: 1, withBigInt: true, withNullPrototype: true, withTypedArray: true }),
  fc.constantFrom<unknown>(
    Symbol("x"),
    () => {},
    new Uint8Array(3),
    [new Uint8Array(1)],
    Number.MAX_SAFE_INTEGER,
    2 ** 64,
    -1,
    Number.NaN,
    { code: -1 },
    { priority: 1e9 },
    { tag: 7 },
    { whenBlocked: "fail" },
    { direction: "unidirectional" },
    { signal: AbortSignal.abort() },
  ),
);

const streamMethods = [
  "write",
  "writev",
  "end",
  "reset",
  "stopSending",
  "pause",
  "resume",
  "toDuplex",
] as const;
const connectionMethods = ["openStream", "sendDatagram", "close", "statistics", "datagrams"] as const;

/** Calls it with anything: what it throws or rejects with must be a typed error. */
async function callOddly(target: object, method: string, args: readonly unknown[]): Promise<void> {
  const handled = (error: unknown) => {
    assert.ok(error instanceof MillraceError, `${method}: ${error instanceof Error ? error.stack : error}`);
  };
  try {
    const result = (target as Record<string, (...all: unknown[]) => unknown>)[method]!(...args);
    if (result instanceof Promise) result.catch(handled);
    if (typeof (result as { on?: unknown } | undefined)?.on === "function") {
      (result as NodeJS.EventEmitter).on("error", handled);
    }
  } catch (error) {
    handled(error);
  }
}

describe("calls in any order with any arguments", () => {
  for (const moment of ["while it is open", "after it was closed", "while it closes"]) {
    test(`throw typed errors or nothing, ${moment}`, async (t) => {
      await fc.assert(
        fc.asyncProperty(
          fc.array(
            fc.tuple(
              fc.constantFrom(...streamMethods, ...connectionMethods),
              fc.array(oddValue, { maxLength: 2 }),
              fc.boolean(),
            ),
            { maxLength: 25 },
          ),
          async (calls) => {
            const { client, server } = await sharedPair(t);
            const stream = client.openStream();
            stream.write(new Uint8Array(1));
            if (moment !== "while it is open") {
              stream.end();
              const closing = client.close({ graceful: moment === "while it closes" });
              if (moment === "after it was closed") await closing;
            }
            for (const [method, args, laterTick] of calls) {
              if (laterTick) await new Promise((resolve) => setImmediate(resolve));
              const target = (streamMethods as readonly string[]).includes(method) ? stream : client;
              await callOddly(target, method, args);
            }
            await client.close({ graceful: false });
            await server.closed;
          },
        ),
        { numRuns: 40 },
      );
    });
  }
});

let listener: quic.QuicListener | undefined;
let accepted: ((connection: quic.QuicConnection) => void) | undefined;

/** A new connection to one listener for all runs. */
async function sharedPair(t: TestContext) {
  listener ??= await quic.listen(
    { host: "127.0.0.1", port: 0, alpn: ["misuse"], tls: loopback.identity },
    { open: (connection) => accepted?.(connection), data: () => {} },
  );
  t.after(async () => {
    await listener?.close();
    listener = undefined;
  });
  const server = new Promise<quic.QuicConnection>((resolve) => {
    accepted = resolve;
  });
  const client = await quic.connect(`quic://127.0.0.1:${listener.address.port}`, {
    alpn: ["misuse"],
    tls: { ca: loopback.ca },
  });
  return { client, server: await server };
}

test("bytes whose length is a lie, or that are none, are refused, and the stream goes on", async (t) => {
  const got: number[] = [];
  const { client } = await openPair(loopback, t, {
    behaviour: { data: (_, chunk) => void got.push(...chunk) },
  });
  class Liar extends Uint8Array {
    override get length(): number {
      return 30_000;
    }
  }
  const stream = client.openStream();
  const own = Object.defineProperty(new Uint8Array(200_000), "length", { value: 3 });
  const lies = [new Liar(3), own, new Proxy(new Uint8Array(3), {}), Object.create(Uint8Array.prototype)];
  for (const bytes of lies as Uint8Array[]) {
    assert.throws(() => stream.write(bytes), InvalidArgumentError);
    assert.throws(() => stream.writev([bytes]), InvalidArgumentError);
    assert.throws(() => client.sendDatagram(bytes), InvalidArgumentError);
    assert.throws(() => quic.publish([stream], bytes), InvalidArgumentError);
    assert.throws(() => quic.publishDatagram([client], bytes), InvalidArgumentError);
  }
  stream.write(Uint8Array.of(7));
  await until("the honest byte comes", () => got.length > 0);
  assert.deepEqual(got, [7]);
});

test("arguments of another type are refused before anything reads them", async (t) => {
  const { client } = await openPair(loopback, t, { behaviour: {} });
  const odd = [null, 5, Symbol("x"), Object.create(null), [Symbol("x")]] as never[];
  for (const given of odd) {
    await assert.rejects(quic.connect(given, { alpn: ["x"] }), InvalidArgumentError);
    await assert.rejects(client.rebind({ address: given }), InvalidArgumentError);
  }
  for (const options of [null, 5, "tag"] as never[]) {
    assert.throws(() => client.sendDatagram(new Uint8Array(1), options), InvalidArgumentError);
  }
  const long = { alpn: ["x"], tls: { serverName: "x".repeat(256) } };
  await assert.rejects(quic.connect("quic://127.0.0.1:9", long), InvalidArgumentError);
  const { identity } = loopback;
  for (const tls of [
    { serverNames: new Map([["a.example", identity]]) as never },
    { cipherSuites: new Array(1) as never },
  ]) {
    const options = { host: "127.0.0.1", port: 0, alpn: ["x"], tls: { ...identity, ...tls } };
    await assert.rejects(quic.listen(options, {}), InvalidArgumentError);
  }
  const listening = { host: "127.0.0.1", port: 0, alpn: ["x"], tls: identity };
  const ticketKeys = new Array(1) as never;
  await assert.rejects(quic.listen({ ...listening, resumption: { ticketKeys } }, {}), InvalidArgumentError);
});

test("every call names the option that a misspelt one was meant to be", async (t) => {
  const { client } = await openPair(loopback, t, { behaviour: {} });
  const listener = await loopback.listenRaw(t, {});
  const { identity } = loopback;
  const calls: Readonly<Record<string, (options: never) => unknown>> = {
    alpm: (options) => quic.connect("quic://127.0.0.1:9", options),
    prot: (options) => quic.listen(options, {}),
    retri: (options) => quic.configureEngine(options),
    directon: (options) => client.openStream(options),
    tagg: (options) => client.sendDatagram(new Uint8Array(1), options),
    maxQueud: (options) => client.datagrams(options),
    resaon: (options) => client.close(options),
    signl: (options) => client.statistics(options),
    timeoutMS: (options) => client.updateKeys(options),
    adress: (options) => client.rebind(options),
    timeoutMz: (options) => listener.close(options),
    certifikate: (options) => listener.updateTls(options),
    maxTicket: (options) => new quic.MemoryTicketStore(options),
    foldr: (options) => new quic.FileTicketStore(options),
  };
  for (const [misspelt, call] of Object.entries(calls)) {
    const options = { ...(misspelt === "certifikate" && identity), [misspelt]: undefined };
    await assert.rejects(
      async () => call(options as never),
      (error: Error) => {
        assert.ok(error instanceof InvalidArgumentError, `${misspelt}: ${error}`);
        assert.match(error.message, /^there is no option "(tls\.)?\w+"; did you mean \w+\?$/);
        assert.match(error.message, new RegExp(`${misspelt}"`));
        return true;
      },
    );
    await assert.rejects(async () => call([] as never), InvalidArgumentError, `a list for ${misspelt}`);
  }
  assert.equal(client.state, "open");
});

test("everything may be ended twice", async (t) => {
  const { client, server } = await openPair(loopback, t, { behaviour: { end: (stream) => stream.end() } });
  const stream = client.openStream();
  stream.end();
  stream.end();
  await stream.closed;
  for (let i = 0; i < 2; i++) {
    stream.end();
    stream.reset(1);
    stream.stopSending(1);
    await stream[Symbol.asyncDispose]();
  }
  const [first, second] = await Promise.all([client.close({ code: 7 }), client.close({ code: 8 })]);
  assert.equal(first, second);
  assert.equal((await server.closed).code, 7);
  assert.equal(await client.close(), first);
  await client[Symbol.asyncDispose]();
});

test("writing after FIN, and using what is closed from another tick, are typed errors", async (t) => {
  const { client } = await openPair(loopback, t, { behaviour: { end: (stream) => stream.end() } });
  const stream = client.openStream();
  stream.end();
  assert.throws(() => stream.write(new Uint8Array(1)), StreamClosedError);
  await stream.closed;
  await client.close();
  await new Promise((resolve) => setImmediate(resolve));
  assert.throws(() => stream.write(new Uint8Array(1)), StreamClosedError);
  assert.throws(() => stream.writev([]), StreamClosedError);
  assert.throws(() => client.openStream(), ConnectionClosedError);
  assert.throws(() => client.sendDatagram(new Uint8Array(1)), ConnectionClosedError);
  assert.equal(stream.bytesQueued, 0);
  stream.priority = 5;
  assert.equal(stream.priority, 5);
});

test("a close in a hurry ends one that still waits", async (t) => {
  const { client, server } = await openPair(
    loopback,
    t,
    {
      behaviour: { data: (stream) => stream.pause() },
      options: { streamWindowBytes: 4096, connectionWindowBytes: 4096 },
    },
    { options: { highWaterMarkBytes: 16 << 20 } },
  );
  const blocked = async (connection: quic.QuicConnection, hurry: () => void) => {
    const stream = connection.openStream();
    stream.write(new Uint8Array(4 << 20)); // more than the peer takes
    let ended = false;
    const closing = connection.close({ deadlineMs: 60_000 }).then(() => {
      ended = true;
    });
    await connection.statistics().catch(() => {});
    assert.equal(ended, false);
    hurry();
    await closing;
  };
  await blocked(client, () => void client.close({ graceful: false }));
  await server.closed;

  const again = await openPair(
    loopback,
    t,
    {
      behaviour: { data: (stream) => stream.pause() },
      options: { streamWindowBytes: 4096, connectionWindowBytes: 4096 },
    },
    { options: { highWaterMarkBytes: 16 << 20 } },
  );
  const controller = new AbortController();
  const stream = again.client.openStream();
  stream.write(new Uint8Array(4 << 20));
  const closing = again.client.close({ deadlineMs: 60_000, signal: controller.signal });
  controller.abort();
  await closing;
  await until("the peer knows", () => again.server.state === "closed");
});

test("a code, a reason or a deadline that cannot be sent closes nothing", async (t) => {
  const { client } = await openPair(loopback, t);
  const wrong: readonly object[] = [
    { code: -1 },
    { code: 2 ** 53 },
    { code: 1.5 },
    { reason: "x".repeat(124) },
    { reason: "a\0b" },
    { reason: 5 },
    { deadlineMs: -1 },
    { deadlineMs: Number.POSITIVE_INFINITY },
    { graceful: 1 },
    { signal: {} },
    { unknown: 1 },
  ];
  for (const options of wrong) {
    assert.throws(
      () => client.close(options as quic.QuicCloseOptions),
      InvalidArgumentError,
      JSON.stringify(options),
    );
  }
  assert.equal(client.state, "open");
});

test("a write that is larger than can be counted is refused by its size", async (t) => {
  const { client } = await openPair(loopback, t);
  const stream = client.openStream();
  const huge = new Uint8Array(2 ** 30 + 1);
  for (const call of [
    () => stream.write(huge),
    () => stream.writev([huge]),
    () => quic.publish([stream], huge),
  ]) {
    assert.throws(call, InvalidArgumentError);
  }
  assert.equal(stream.bytesSent, 0);
});
