import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { describe, type TestContext, test } from "node:test";
import { createStreamRelay, type StreamRelay, type StreamRelayOptions } from "millrace/testing";
import { InvalidArgumentError } from "#internal/errors.js";
import { openStreamRelay } from "#internal/testing/stream_relay.js";
import { until } from "../kit/until.js";
import { VirtualTime } from "../kit/virtual_time.js";
import { refusesEach } from "./refusals.js";

/** One end of a connection, and what it hears. */
class End {
  readonly socket: Socket;
  text = "";
  bytes = 0;
  hasEnded = false;
  error: string | undefined = undefined;

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on("data", (bytes) => {
      this.bytes += bytes.length;
      this.text = (this.text + bytes.toString("latin1")).slice(0, 1_000);
    });
    socket.on("end", () => {
      this.hasEnded = true;
    });
    socket.on("error", (error: NodeJS.ErrnoException) => {
      this.error = error.code;
    });
  }
}

/** A server that keeps who comes, and says what it is told to. */
async function open(t: TestContext, host = "127.0.0.1") {
  const accepted: End[] = [];
  const server = createServer({ allowHalfOpen: true }, (socket) => accepted.push(new End(socket)));
  server.listen(0, host);
  await once(server, "listening");
  t.after(() => {
    server.close();
    for (const { socket } of accepted) socket.destroy();
  });
  return { accepted, address: server.address() as AddressInfo };
}

type Server = Awaited<ReturnType<typeof open>>;

async function relayTo(
  t: TestContext,
  target: Server,
  options: Partial<StreamRelayOptions> = {},
  time?: VirtualTime,
): Promise<StreamRelay> {
  const all = { target: target.address, ...options };
  const relay = await (time === undefined ? createStreamRelay(all) : openStreamRelay(all, time));
  t.after(() => relay.close());
  return relay;
}

async function join(t: TestContext, relay: StreamRelay): Promise<End> {
  const { address: host, port } = relay.address;
  const end = new End(connect({ host, port, allowHalfOpen: true }));
  await once(end.socket, "connect");
  t.after(() => end.socket.destroy());
  return end;
}

/** A client through a relay, and the server's end of its connection. */
async function pair(t: TestContext, options: Partial<StreamRelayOptions> = {}, time?: VirtualTime) {
  const server = await open(t);
  const relay = await relayTo(t, server, options, time);
  const client = await join(t, relay);
  await until("the server has it", () => server.accepted.length === 1);
  return { server, relay, client, far: server.accepted[0]! };
}

describe("a relay of streams", () => {
  for (const address of ["127.0.0.1", "::1"]) {
    test(`carries bytes both ways over ${address}, each client's to that client`, async (t) => {
      const server = await open(t, address);
      const relay = await relayTo(t, server);
      assert.equal(relay.address.address, address);
      const clients = [await join(t, relay), await join(t, relay)];
      clients[0]!.socket.write("one");
      clients[1]!.socket.write("two");
      await until("both have come", () => server.accepted.every(({ text }) => text.length === 3));
      assert.deepEqual(server.accepted.map(({ text }) => text).sort(), ["one", "two"]);
      for (const { socket, text } of server.accepted) socket.write(`${text}!`);
      await until("both are answered", () => clients.every(({ text }) => text.length === 4));
      assert.deepEqual(
        clients.map(({ text }) => text),
        ["one!", "two!"],
      );
      const { toServer, toClient, connections, resets } = relay.counters;
      assert.deepEqual(toServer, { receivedBytes: 6, forwardedBytes: 6 });
      assert.deepEqual(toClient, { receivedBytes: 8, forwardedBytes: 8 });
      assert.deepEqual([connections, resets], [2, 0]);
      assert.deepEqual(
        relay.flows.map(({ client }) => client.port),
        clients.map(({ socket }) => socket.localPort),
      );
      assert.deepEqual(
        relay.flows.map(({ source }) => source!.port).sort(),
        server.accepted.map(({ socket }) => socket.remotePort).sort(),
      );
    });
  }

  test("brings each direction's bytes by its delay and jitter later, in order", async (t) => {
    const time = new VirtualTime();
    const { relay, client, far } = await pair(t, { toServer: { delayMs: 100, jitterMs: 50 } }, time);
    const write = async (text: string) => {
      const { receivedBytes } = relay.counters.toServer;
      client.socket.write(text);
      await until("the relay has it", () => relay.counters.toServer.receivedBytes > receivedBytes);
    };
    for (const text of ["a", "b", "c", "d"]) await write(text);
    time.advance(99);
    assert.equal(relay.counters.toServer.forwardedBytes, 0);
    time.advance(51);
    await until("all have come", () => far.text === "abcd");
    far.socket.write("at once");
    await until("it is answered", () => client.text === "at once");
    relay.set({ delayMs: 0, jitterMs: 0 });
    client.socket.write("e");
    await until("what comes after has no delay", () => far.text === "abcde");
  });

  test("the same seed draws the same jitter", async (t) => {
    const arrivals = async (seed: number) => {
      const time = new VirtualTime();
      const { relay, client } = await pair(t, { jitterMs: 100, seed }, time);
      client.socket.write("x");
      await until("the relay has it", () => relay.counters.toServer.receivedBytes === 1);
      while (relay.counters.toServer.forwardedBytes === 0) time.advance(1);
      return time.now();
    };
    const [first, again, other] = [await arrivals(7), await arrivals(7), await arrivals(8)];
    assert.equal(first, again);
    assert.notEqual(first, other);
  });

  test("brings no more than the rate of its line", async (t) => {
    const time = new VirtualTime();
    const { relay, client } = await pair(t, { toServer: { bytesPerSecond: 1_000 } }, time);
    client.socket.write(Buffer.alloc(500));
    await until("the relay has it", () => relay.counters.toServer.receivedBytes === 500);
    for (const [ms, bytes] of [
      [100, 100],
      [150, 250],
      [1_000, 500],
    ] as const) {
      time.advance(ms);
      assert.equal(relay.counters.toServer.forwardedBytes, bytes);
    }
  });

  test("holds back who sends when it holds bufferBytes", async (t) => {
    const { relay, client, far } = await pair(t, { bufferBytes: 10_000 });
    relay.block("toServer");
    const bytes = 32 * 1024 * 1024; // more than the operating system holds for two sockets
    assert.equal(client.socket.write(Buffer.alloc(bytes)), false);
    await until("it has read something", () => relay.counters.toServer.receivedBytes > 0);
    let seen = -1;
    await until("it reads no more", () => {
      const before = seen;
      seen = relay.counters.toServer.receivedBytes;
      return seen === before;
    });
    assert.ok(seen < 10_000 + 1024 * 1024, `${seen}`);
    relay.unblock();
    await until("all has come", () => far.bytes === bytes);
  });

  for (const direction of ["toServer", "toClient"] as const) {
    test(`is a black hole ${direction} only, and brings all of it when it is none any more`, async (t) => {
      const { relay, client, far } = await pair(t);
      const [from, to] = direction === "toServer" ? [client, far] : [far, client];
      relay.block(direction);
      from.socket.end("lost in the hole");
      to.socket.write("the other way");
      await until("the other way is open", () => from.text === "the other way");
      await until("it has come in", () => relay.counters[direction].receivedBytes === 16);
      assert.deepEqual([to.text, to.hasEnded], ["", false]);
      relay.unblock(direction);
      await until("it has come, and its end", () => to.hasEnded);
      assert.equal(to.text, "lost in the hole");
    });
  }

  test("tells nobody of an end on the other side of a black hole, and connects nobody through it", async (t) => {
    const { server, relay, client, far } = await pair(t);
    relay.block();
    far.socket.resetAndDestroy();
    const late = await join(t, relay);
    late.socket.write("hello?");
    await until("the relay has heard", () => relay.counters.toServer.receivedBytes === 6);
    assert.deepEqual([client.hasEnded, client.error, server.accepted.length], [false, undefined, 1]);
    relay.unblock();
    await until("the client is told", () => client.error === "ECONNRESET");
    await until("the other is heard", () => server.accepted[1]?.text === "hello?");
  });

  test("passes on an end of one direction, and of both", async (t) => {
    const { relay, client, far } = await pair(t);
    client.socket.end("asked");
    await until("the server hears the end", () => far.hasEnded);
    far.socket.end("answered");
    await until("the client hears the other", () => client.hasEnded);
    assert.deepEqual([far.text, client.text], ["asked", "answered"]);
    await until("it is over", () => relay.flows.length === 0);
    assert.equal(relay.counters.resets, 0);
  });

  test("passes on a reset", async (t) => {
    const { relay, client, far } = await pair(t);
    client.socket.resetAndDestroy();
    await until("the server hears it", () => far.error === "ECONNRESET");
    assert.equal(relay.counters.resets, 1);
  });

  for (const direction of ["toServer", "toClient"] as const) {
    test(`half-closes ${direction}: what had come goes on, and the other way stays open`, async (t) => {
      const { relay, client, far } = await pair(t);
      const [from, to] = direction === "toServer" ? [client, far] : [far, client];
      from.socket.write("before");
      await until("it has come", () => to.text === "before");
      relay.flows[0]!.end(direction);
      await until("the end has come", () => to.hasEnded);
      from.socket.write("after");
      to.socket.write("still open");
      await until("the other way goes on", () => from.text === "still open");
      assert.equal(to.text, "before");
      assert.equal(from.hasEnded, false);
    });

    test(`resets a connection behind exactly the byte that is named ${direction}, each one`, async (t) => {
      const server = await open(t);
      const relay = await relayTo(t, server, { [direction]: { resetAfterBytes: 4_321 } });
      for (const round of [0, 1]) {
        const client = await join(t, relay);
        await until("the server has it", () => server.accepted.length === round + 1);
        const far = server.accepted[round]!;
        const [from, to] = direction === "toServer" ? [client, far] : [far, client];
        from.socket.write(Buffer.alloc(3_000));
        await until("the first part has come", () => to.bytes === 3_000);
        from.socket.write(Buffer.alloc(3_000));
        await until("who sends hears of it", () => from.error === "ECONNRESET");
        // Node takes a reset that comes together with bytes for an end.
        await until("so does the other", () => to.error === "ECONNRESET" || to.hasEnded);
        assert.equal(to.bytes, 4_321);
      }
      assert.equal(relay.counters.resets, 2);
    });
  }

  test("resets one connection when so many more bytes have gone, and no other", async (t) => {
    const { relay, client, far } = await pair(t);
    client.socket.write("0123456789");
    await until("they have come", () => far.bytes === 10);
    relay.flows[0]!.resetAfter("toServer", 5);
    const other = await join(t, relay);
    client.socket.write("0123456789");
    await until("it is reset", () => client.error === "ECONNRESET");
    await until("so is the server", () => far.error === "ECONNRESET" || far.hasEnded);
    assert.equal(far.bytes, 15);
    assert.equal(other.error, undefined);
    assert.equal(relay.flows.length, 1);
    relay.set({ toServer: { resetAfterBytes: 0 } });
    await until("the other, too", () => other.error === "ECONNRESET");
  });

  test("cuts all connections, and lets new ones through", async (t) => {
    const { server, relay, client, far } = await pair(t);
    const other = await join(t, relay);
    relay.cut();
    await until("all hear of it", () => [client, other, far].every(({ error }) => error === "ECONNRESET"));
    assert.deepEqual([relay.flows.length, relay.counters.resets], [0, 2]);
    const next = await join(t, relay);
    next.socket.write("there again");
    await until("it gets through", () => server.accepted.at(-1)?.text === "there again");
  });

  test("refuses new connections, as a port at which nobody listens, until it accepts again", async (t) => {
    const { relay, client, far } = await pair(t);
    relay.refuse();
    await assert.rejects(join(t, relay), { code: "ECONNREFUSED" });
    client.socket.write("still there");
    await until("who was there goes on", () => far.text === "still there");
    await relay.accept();
    await relay.accept();
    await join(t, relay);
  });

  test("takes new connections to another server, and leaves the others", async (t) => {
    const { relay, client, far } = await pair(t);
    const next = await open(t);
    await relay.retarget(next.address);
    const second = await join(t, relay);
    second.socket.write("new");
    client.socket.write("old");
    await until("each has its own", () => next.accepted[0]?.text === "new" && far.text === "old");
  });

  test("comes from the source address, and lets no more than maxClients pass at once", async (t) => {
    const { relay, far } = await pair(t, { sourceAddress: "127.0.0.9", maxClients: 1 });
    assert.match(far.socket.remoteAddress!, /127\.0\.0\.9$/);
    const { address: host, port } = relay.address;
    const other = new End(connect({ host, port }));
    await until("it is reset", () => other.error === "ECONNRESET");
    assert.equal(relay.counters.connections, 1);
  });

  test("resets a client whose server refuses", async (t) => {
    const server = await open(t);
    const relay = await relayTo(t, server);
    const gone = await relayTo(t, server);
    await relay.retarget(gone.address);
    await gone.close();
    const client = await join(t, relay);
    await until("it is reset", () => client.error === "ECONNRESET");
  });

  test("is closed once and for all by close or its end of scope, whatever is under way", async (t) => {
    const server = await open(t);
    const relay = await createStreamRelay({ target: server.address, delayMs: 60_000 });
    const client = await join(t, relay);
    client.socket.write("never");
    await until("it is under way", () => relay.counters.toServer.receivedBytes === 5);
    await Promise.all([relay.close(), relay.close(), relay[Symbol.asyncDispose]()]);
    await until("the client is told", () => client.error === "ECONNRESET");
    await relay.accept();
    await assert.rejects(join(t, relay), { code: "ECONNREFUSED" });
    assert.equal(server.accepted[0]?.text ?? "", "");
  });

  test("says what is wrong with its options", async (t) => {
    const server = await open(t);
    const target = server.address;
    const refused: readonly (readonly [unknown, RegExp])[] = [
      [undefined, /options/],
      [{}, /target/],
      [{ target: { address: "", port: 1 } }, /target\.address/],
      [{ target: { address: "127.0.0.1", port: 0 } }, /target\.port/],
      [{ target, listen: { port: 65_536 } }, /listen\.port/],
      [{ target, delayMs: -1 }, /delayMs/],
      [{ target, jitterMs: "1" }, /jitterMs/],
      [{ target, bytesPerSecond: 0 }, /bytesPerSecond/],
      [{ target, bufferBytes: 0 }, /bufferBytes/],
      [{ target, toServer: { resetAfterBytes: -1 } }, /toServer\.resetAfterBytes/],
      [{ target, toClient: { lossRate: 1 } }, /toClient\.lossRate/],
      [{ target, delay: 1 }, /no option "delay"; did you mean delayMs\?/],
      [{ target, seed: 1.5 }, /seed/],
      [{ target, maxClients: 0 }, /maxClients/],
      [{ target, sourceAddress: 1 }, /sourceAddress/],
      [{ target, sourceAddress: "::1" }, /sourceAddress/],
    ];
    await refusesEach(createStreamRelay, refused);
    const relay = await relayTo(t, server);
    assert.throws(() => relay.set({ delayMs: 1, toClient: { jitterMs: -1 } }), InvalidArgumentError);
    assert.throws(() => relay.block("up" as "toServer"), InvalidArgumentError);
    await assert.rejects(relay.retarget({ address: "::1", port: 1 }), InvalidArgumentError);
    await assert.rejects(relay.retarget({ port: 1 } as never), /target/);
  });
});
