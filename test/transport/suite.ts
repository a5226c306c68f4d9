import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { before, describe, type TestContext, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { CloseCode, type CloseInfo, connect, listen, publish } from "millrace";
import { Authority, type Identity } from "millrace/testing";
import {
  AbortedError,
  AddressInUseError,
  CertificateExpiredError,
  CertificateNameError,
  CertificateUntrustedError,
  ConnectionClosedError,
  ConnectionRefusedError,
  FrameTooLargeError,
  HandshakeTimeoutError,
  ProtocolMismatchError,
} from "#internal/errors.js";
import type { SilentPeer } from "../kit/silent_peer.js";
import { until } from "../kit/until.js";

/** What differs between transports. */
export interface TransportUnderTest {
  /** Where most tests listen. */
  readonly url: string;
  /** Where tests of certificates listen. */
  readonly secureUrl: string;
  /** Whether a server's connection can stop its peer by pause(). */
  readonly serverPauses: boolean;
  /** Whether a server learns the client's port. */
  readonly tellsClientPort: boolean;
  silentPeer(): Promise<SilentPeer>;
}

type Connection = Awaited<ReturnType<typeof connect>>;
type Listener = Awaited<ReturnType<typeof listen>>;
type Behaviour = NonNullable<Parameters<typeof connect>[1]>;
type ListenOptions = NonNullable<Parameters<typeof listen>[2]>;
type ConnectOptions = NonNullable<Parameters<typeof connect>[2]>;

const KiB = 1024;
const MiB = 1024 * 1024;

/** A promise to be settled from a handler. */
function deferred<T = void>(): { promise: Promise<T>; resolve: (value: T) => void } {
  let resolve: (value: T) => void = () => {};
  const promise = new Promise<T>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}

/** Sends all of `messages`, waiting whenever the transport says so; `pump` is to be called at every drain. */
class Writer {
  readonly done = deferred();
  maxBytesQueued = 0;
  readonly #connection: Connection;
  readonly #messages: Iterator<Uint8Array>;
  #next: IteratorResult<Uint8Array>;

  constructor(connection: Connection, messages: Iterable<Uint8Array>) {
    this.#connection = connection;
    this.#messages = messages[Symbol.iterator]();
    this.#next = this.#messages.next();
  }

  pump(): void {
    while (!this.#next.done) {
      const result = this.#connection.send(this.#next.value);
      this.maxBytesQueued = Math.max(this.maxBytesQueued, this.#connection.bytesQueued);
      if (result === "dropped") return;
      this.#next = this.#messages.next();
      if (result === "blocked") return;
    }
    this.done.resolve();
  }
}

/** The behaviours that every transport shows, through the root API. */
export function describeTransport(name: string, transport: TransportUnderTest): void {
  let authority: Authority;
  let identity: Identity;

  before(async () => {
    authority = await Authority.make();
    identity = await authority.issue();
  });

  async function serve(t: TestContext, behaviour: Behaviour, options: ListenOptions = {}): Promise<Listener> {
    const listener = await listen(transport.url, behaviour, { tls: identity, ...options });
    t.after(() => listener.close({ graceful: false }));
    return listener;
  }

  async function dial(
    t: TestContext,
    listener: Listener,
    behaviour?: Behaviour,
    options: ConnectOptions = {},
  ): Promise<Connection> {
    const tls = { ca: authority.certificate };
    const connection = await connect(listener.urls[0]!, behaviour, { tls, ...options });
    t.after(() => connection.close({ graceful: false }));
    return connection;
  }

  const echo: Behaviour = {
    message(connection, bytes) {
      connection.send(bytes);
    },
  };

  async function receive(connection: Connection, count: number): Promise<Uint8Array[]> {
    const received: Uint8Array[] = [];
    if (count === 0) return received;
    for await (const message of connection) {
      received.push(message);
      if (received.length === count) break;
    }
    return received;
  }

  async function assertEchoes(t: TestContext, listener: Listener): Promise<void> {
    const connection = await dial(t, listener);
    connection.send(Buffer.from("are you there"));
    const [answer] = await receive(connection, 1);
    assert.equal(Buffer.from(answer!).toString(), "are you there");
    await connection.close();
  }

  describe(name, () => {
    describe("messages", () => {
      test("of 0 bytes to exactly the limit come back whole and in order", async (t) => {
        const listener = await serve(t, echo, { highWaterMarkBytes: 8 * MiB });
        const connection = await dial(t, listener, undefined, { highWaterMarkBytes: 8 * MiB });
        const sizes = [0, 1, 2, 7, 8, 9, 125, 126, 1000, 64 * KiB - 1, 64 * KiB, 64 * KiB + 1, MiB, 0, 3];
        const sent = sizes.map((size) => randomBytes(size));
        for (const message of sent) assert.equal(connection.send(message), "sent");
        const received = await receive(connection, sent.length);
        assert.deepEqual(
          received.map((message) => message.length),
          sizes,
        );
        for (const [index, message] of received.entries()) {
          assert.equal(Buffer.compare(message, sent[index]!), 0, `message ${index} differs`);
        }
      });

      test("keep their order over thousands of mixed sizes", async (t) => {
        const listener = await serve(t, echo, { highWaterMarkBytes: 16 * MiB });
        const count = 5_000;
        const received = deferred();
        let next = 0;
        const connection = await dial(
          t,
          listener,
          {
            message(_connection, bytes) {
              const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
              assert.equal(view.getUint32(0, true), next);
              assert.equal(bytes.length, 4 + ((next * 37) % 900));
              next += 1;
              if (next === count) received.resolve();
            },
          },
          { highWaterMarkBytes: 16 * MiB },
        );
        for (let sequence = 0; sequence < count; sequence++) {
          const message = new Uint8Array(4 + ((sequence * 37) % 900));
          new DataView(message.buffer).setUint32(0, sequence, true);
          assert.equal(connection.send(message), "sent");
        }
        await received.promise;
      });

      test("are the caller's again as soon as send returns", async (t) => {
        const connection = await dial(t, await serve(t, echo));
        const message = new Uint8Array(1000).fill(1);
        connection.send(message);
        message.fill(2);
        const [answer] = await receive(connection, 1);
        assert.ok(answer!.every((byte) => byte === 1));
      });

      test("above the own limit are refused by send, and the connection stays", async (t) => {
        const listener = await serve(t, echo);
        const connection = await dial(t, listener, undefined, { maxMessageBytes: 64 * KiB });
        assert.throws(() => connection.send(new Uint8Array(64 * KiB + 1)), FrameTooLargeError);
        connection.send(new Uint8Array(64 * KiB));
        const [answer] = await receive(connection, 1);
        assert.equal(answer!.length, 64 * KiB);
      });

      test("above the peer's limit close that connection, and the server lives on", async (t) => {
        const closed = deferred<CloseInfo>();
        const listener = await serve(
          t,
          { ...echo, close: (_connection, info) => closed.resolve(info) },
          { maxMessageBytes: 1000 },
        );
        const connection = await dial(t, listener);
        const sent = connection.send(new Uint8Array(2000));
        assert.equal(sent, "sent");
        const [seenByServer, seenByClient] = [await closed.promise, await connection.closed];
        assert.equal(seenByServer.code, CloseCode.frameTooLarge);
        assert.ok(seenByServer.error instanceof FrameTooLargeError);
        assert.equal(seenByClient.by, "peer");
        assert.equal(seenByClient.code, CloseCode.frameTooLarge);
        assert.ok(seenByClient.error instanceof FrameTooLargeError);
        await assertEchoes(t, listener);
      });
    });

    describe("backpressure", () => {
      test("send says sent, then blocked, then dropped, and drain fires when there is room", async (t) => {
        const highWaterMarkBytes = 256 * KiB;
        const opened = deferred<Connection>();
        const drained = deferred();
        const listener = await serve(
          t,
          { open: (connection) => opened.resolve(connection), drain: () => drained.resolve() },
          { highWaterMarkBytes },
        );
        let received = 0;
        const client = await dial(t, listener, { message: () => void received++ });
        const server = await opened.promise;
        assert.equal(client.pause(), true);
        const message = new Uint8Array(64 * KiB);
        const results: string[] = [];
        do {
          // The operating system's buffers and the peer's window fill up first.
          if (results.at(-1) === "sent") await new Promise(setImmediate);
          results.push(server.send(message));
        } while (results.at(-1) !== "dropped" && results.length < 10_000);
        assert.deepEqual(results.slice(-2), ["blocked", "dropped"]);
        assert.equal(results[0], "sent");
        const accepted = results.filter((result) => result !== "dropped").length;
        client.resume();
        await drained.promise;
        assert.ok(server.bytesQueued < highWaterMarkBytes / 2);
        assert.equal(server.send(new Uint8Array(1)), "sent");
        await server.close();
        await client.closed;
        assert.equal(received, accepted + 1, "what was accepted arrives, what was dropped does not");
      });

      test("a reader that stops for 5 s under a 100 MB send costs bounded memory and no byte", async (t) => {
        const highWaterMarkBytes = MiB;
        const messageBytes = 64 * KiB;
        const count = 1600;
        const block = randomBytes(messageBytes);
        const sentHash = createHash("sha256");
        function* messages(): Generator<Uint8Array> {
          for (let index = 0; index < count; index++) {
            block.writeUInt32LE(index);
            sentHash.update(block);
            yield block;
          }
        }
        const opened = deferred<Writer>();
        const listener = await serve(
          t,
          {
            open(connection) {
              const writer = new Writer(connection, messages());
              connection.data = writer;
              opened.resolve(writer);
            },
            drain: (connection) => (connection.data as Writer).pump(),
          },
          { highWaterMarkBytes },
        );
        const receivedHash = createHash("sha256");
        const received = deferred();
        let receivedCount = 0;
        let heldWhilePaused = 0;
        const client = await dial(t, listener, {
          message(_connection, bytes) {
            receivedHash.update(bytes);
            receivedCount += 1;
            if (receivedCount === 20) {
              client.pause();
              heldWhilePaused = receivedCount;
            }
            if (receivedCount === count) received.resolve();
          },
        });
        const writer = await opened.promise;
        const rssBefore = process.memoryUsage.rss();
        let rssMost = rssBefore;
        const sampler = setInterval(() => {
          rssMost = Math.max(rssMost, process.memoryUsage.rss());
        }, 50);
        t.after(() => clearInterval(sampler));
        writer.pump();
        await delay(5_000);
        assert.equal(receivedCount, heldWhilePaused, "a paused reader gets nothing");
        client.resume();
        await Promise.all([received.promise, writer.done.promise]);
        assert.equal(receivedHash.digest("hex"), sentHash.digest("hex"));
        const cap = highWaterMarkBytes + messageBytes + KiB;
        assert.ok(writer.maxBytesQueued <= cap, `queued ${writer.maxBytesQueued} bytes, more than ${cap}`);
        const growth = rssMost - rssBefore;
        assert.ok(growth < 64 * MiB, `memory grew by ${(growth / MiB).toFixed(1)} MiB`);
      });

      if (transport.serverPauses) {
        test("a server that pauses a connection stops its peer, and loses nothing", async (t) => {
          const message = randomBytes(32 * KiB);
          const opened = deferred<Connection>();
          const received = deferred();
          const count = 800;
          let receivedCount = 0;
          const listener = await serve(t, {
            open(connection) {
              assert.equal(connection.pause(), true);
              opened.resolve(connection);
            },
            message(_connection, bytes) {
              assert.equal(Buffer.compare(bytes, message), 0);
              receivedCount += 1;
              if (receivedCount === count) received.resolve();
            },
          });
          const blocked = deferred();
          const client = await dial(t, listener, { drain: () => writer.pump() });
          const writer = new Writer(
            client,
            Array.from({ length: count }, () => message),
          );
          // Held back: more than half of the mark waits, so no drain comes, and nothing moves any more.
          let unchangedLooks = 0;
          let lastQueued = 0;
          const poll = setInterval(() => {
            unchangedLooks = client.bytesQueued === lastQueued ? unchangedLooks + 1 : 0;
            lastQueued = client.bytesQueued;
            if (unchangedLooks >= 20 && lastQueued >= MiB / 2) blocked.resolve();
          }, 5);
          t.after(() => clearInterval(poll));
          writer.pump();
          await blocked.promise;
          assert.equal(receivedCount, 0);
          (await opened.promise).resume();
          await received.promise;
        });
      }

      test("an iterator that is slow holds back the writer, not the memory", async (t) => {
        const count = 400;
        const listener = await serve(t, {
          open(connection) {
            const messages = Array.from({ length: count }, (_, index) => {
              const message = new Uint8Array(32 * KiB);
              new DataView(message.buffer).setUint32(0, index, true);
              return message;
            });
            const writer = new Writer(connection, messages);
            connection.data = writer;
            writer.pump();
          },
          drain: (connection) => (connection.data as Writer).pump(),
        });
        const client = await dial(t, listener);
        let next = 0;
        for await (const message of client) {
          assert.equal(new DataView(message.buffer, message.byteOffset).getUint32(0, true), next);
          next += 1;
          if (next % 50 === 0) await delay(10);
          if (next === count) break;
        }
      });
    });

    describe("publishing", () => {
      test("reaches every open connection once, and leaves out those that are closed", async (t) => {
        const listener = await serve(t, { message: () => {} });
        const received = [0, 0, 0];
        const done = [deferred(), deferred()];
        const clients = [];
        for (let index = 0; index < 3; index++) {
          clients.push(
            await dial(t, listener, {
              message(_connection, bytes) {
                assert.equal(new TextDecoder().decode(bytes.slice()), "news");
                received[index]! += 1;
                done[index]?.resolve();
              },
            }),
          );
        }
        await until("three are open", () => listener.connectionCount === 3);
        await clients[2]!.close();
        await until("one has closed", () => listener.connectionCount === 2);
        const everybody = [...listener.connections()];
        assert.equal(publish(everybody, new TextEncoder().encode("news")), 2);
        await Promise.all(done.map(({ promise }) => promise));
        assert.deepEqual(received, [1, 1, 0]);
        assert.throws(() => publish(everybody, new Uint8Array(MiB + 1)), {
          code: "ERR_MILLRACE_FRAME_TOO_LARGE",
        });
      });
    });

    describe("closing", () => {
      test("a client's code and reason reach the server", async (t) => {
        const closed = deferred<CloseInfo>();
        const listener = await serve(t, { close: (_connection, info) => closed.resolve(info) });
        const connection = await dial(t, listener);
        const own = await connection.close({ code: 300, reason: "enough ✓" });
        assert.deepEqual(own, { by: "local", code: 300, reason: "enough ✓" });
        assert.deepEqual(await closed.promise, { by: "peer", code: 300, reason: "enough ✓" });
      });

      test("a server's code and reason reach the client", async (t) => {
        const closed = deferred<CloseInfo>();
        const listener = await serve(t, {
          message: (connection) => void connection.close({ code: CloseCode.policy, reason: "go away" }),
          close: (_connection, info) => closed.resolve(info),
        });
        const connection = await dial(t, listener);
        connection.send(new Uint8Array(1));
        assert.deepEqual(await connection.closed, { by: "peer", code: CloseCode.policy, reason: "go away" });
        assert.deepEqual(await closed.promise, { by: "local", code: CloseCode.policy, reason: "go away" });
      });

      test("an ordinary close is code 0 without a reason or an error", async (t) => {
        const closed = deferred<CloseInfo>();
        const listener = await serve(t, { close: (_connection, info) => closed.resolve(info) });
        const connection = await dial(t, listener);
        await connection.close();
        assert.deepEqual(await closed.promise, { by: "peer", code: 0, reason: "" });
      });

      test("gracefully delivers what was sent before", async (t) => {
        const closed = deferred();
        let received = 0;
        const listener = await serve(t, {
          message: (_connection, bytes) => {
            received += bytes.length;
          },
          close: () => closed.resolve(),
        });
        const connection = await dial(t, listener, undefined, { highWaterMarkBytes: 16 * MiB });
        const message = randomBytes(64 * KiB);
        for (let count = 0; count < 100; count++) connection.send(message);
        const info = await connection.close();
        assert.equal(info.error, undefined);
        await closed.promise;
        assert.equal(received, 100 * 64 * KiB);
      });

      test("gracefully gives up at its deadline when the peer reads nothing", async (t) => {
        const opened = deferred<Connection>();
        const listener = await serve(
          t,
          { open: (connection) => opened.resolve(connection) },
          { highWaterMarkBytes: 32 * MiB },
        );
        const client = await dial(t, listener, { message() {} });
        client.pause();
        const server = await opened.promise;
        while (server.send(new Uint8Array(MiB)) === "sent");
        const begun = performance.now();
        const info = await server.close({ deadlineMs: 300 });
        assert.equal(info.by, "local");
        assert.ok(performance.now() - begun < 3_000);
      });

      test("at once ends both sides", async (t) => {
        const closed = deferred<CloseInfo>();
        const listener = await serve(t, { close: (_connection, info) => closed.resolve(info) });
        const connection = await dial(t, listener);
        const own = await connection.close({ graceful: false });
        assert.equal(own.by, "local");
        assert.notEqual((await closed.promise).by, "local");
      });

      test("leaves an object that refuses to send and takes every other call", async (t) => {
        const listener = await serve(t, echo);
        const connection = await dial(t, listener, { message() {} });
        const closing = connection.close({ code: 256 });
        assert.throws(() => connection.send(new Uint8Array(1)), ConnectionClosedError);
        const info = await closing;
        assert.equal(connection.state, "closed");
        assert.throws(() => connection.send(new Uint8Array(1)), ConnectionClosedError);
        assert.equal(connection.bytesQueued, 0);
        connection.pause();
        connection.resume();
        assert.deepEqual(await connection.close({ code: 257 }), info);
        assert.deepEqual(await connection.closed, info);
        assert.equal(connection.remoteAddress.address, "127.0.0.1");
        await connection[Symbol.asyncDispose]();
      });

      test("calls close once for each of 200 connections opened and dropped", async (t) => {
        let open = 0;
        let closes = 0;
        const allClosed = deferred();
        const listener = await serve(t, {
          open: () => void open++,
          close: () => {
            closes += 1;
            if (closes === 200) allClosed.resolve();
          },
        });
        for (let batch = 0; batch < 10; batch++) {
          const connections = await Promise.all(Array.from({ length: 20 }, () => dial(t, listener)));
          await Promise.all(
            connections.map((connection, index) => connection.close({ graceful: index % 2 === 0 })),
          );
        }
        await allClosed.promise;
        assert.equal(open, 200);
        assert.equal(listener.connectionCount, 0);
        await assertEchoesNothing(t, listener);
        assert.equal(closes, 200);
      });
    });

    describe("handlers", () => {
      test("that throw are told to error(), and nobody else notices", async (t) => {
        const caught = deferred<unknown>();
        const listener = await serve(t, {
          message(connection, bytes) {
            if (bytes.length === 3) throw new Error("a fault of the application");
            connection.send(bytes);
          },
          error: (_connection, cause) => caught.resolve(cause),
        });
        const bystander = await dial(t, listener);
        const connection = await dial(t, listener);
        connection.send(new Uint8Array(3));
        assert.match(String(await caught.promise), /a fault of the application/);
        connection.send(new Uint8Array(4));
        bystander.send(new Uint8Array(5));
        assert.equal((await receive(connection, 1))[0]!.length, 4);
        assert.equal((await receive(bystander, 1))[0]!.length, 5);
      });

      test("that reject are told to error() too", async (t) => {
        const caught = deferred<unknown>();
        const listener = await serve(t, {
          async message() {
            throw new Error("a late fault");
          },
          error: (_connection, cause) => caught.resolve(cause),
        });
        const connection = await dial(t, listener);
        connection.send(new Uint8Array(1));
        assert.match(String(await caught.promise), /a late fault/);
        assert.equal(connection.state, "open");
      });

      test("that are async own the bytes they are given", async (t) => {
        const count = 200;
        const done = deferred();
        let seen = 0;
        const listener = await serve(t, {
          async message(_connection, bytes) {
            const first = bytes[0];
            for (let turn = 0; turn < 5; turn++) await new Promise(setImmediate);
            assert.equal(bytes.length, 1000);
            assert.ok(bytes.every((byte) => byte === first));
            seen += 1;
            if (seen === count) done.resolve();
          },
        });
        const connection = await dial(t, listener);
        for (let index = 0; index < count; index++) connection.send(new Uint8Array(1000).fill(index));
        await done.promise;
      });

      test("keep their own data on each connection", async (t) => {
        const listener = await serve(t, {
          open: (connection) => {
            connection.data = 0;
          },
          message(connection) {
            const count = (connection.data as number) + 1;
            connection.data = count;
            connection.send(new Uint8Array(count));
          },
        });
        const [one, other] = [await dial(t, listener), await dial(t, listener)];
        one.send(new Uint8Array(1));
        one.send(new Uint8Array(1));
        other.send(new Uint8Array(1));
        const sizes = (messages: Uint8Array[]) => messages.map((message) => message.length);
        assert.deepEqual(sizes(await receive(one, 2)), [1, 2]);
        assert.deepEqual(sizes(await receive(other, 1)), [1]);
      });
    });

    describe("connecting", () => {
      test("tells both sides who they are and what they speak", async (t) => {
        const opened = deferred<Connection>();
        const protocols = ["second.v1", "first.v1"];
        const listener = await serve(t, { open: (connection) => opened.resolve(connection) }, { protocols });
        const client = await dial(t, listener, undefined, { protocols: ["first.v1"] });
        const server = await opened.promise;
        assert.equal(client.protocol, "first.v1");
        assert.equal(server.protocol, "first.v1");
        const port = Number(new URL(listener.urls[0]!).port);
        assert.deepEqual(client.remoteAddress, { address: "127.0.0.1", family: "ipv4", port });
        assert.equal(server.localAddress.port, port);
        assert.equal(server.remoteAddress.address, "127.0.0.1");
        if (transport.tellsClientPort) assert.equal(server.remoteAddress.port, client.localAddress.port);
        assert.equal(client.transport, server.transport);
        assert.equal(client.state, "open");
        assert.equal(listener.connectionCount, 1);
      });

      test("with no protocol in common is a protocol mismatch", async (t) => {
        const listener = await serve(t, echo, { protocols: ["a.v1"] });
        await assert.rejects(
          dial(t, listener, undefined, { protocols: ["b.v1", "c.v1"] }),
          ProtocolMismatchError,
        );
        assert.equal(listener.connectionCount, 0);
      });

      test("where nothing listens is refused", async (t) => {
        const listener = await listen(transport.url, echo, { tls: identity });
        await listener.close();
        await assert.rejects(
          dial(t, listener, undefined, { handshakeTimeoutMs: 5_000 }),
          ConnectionRefusedError,
        );
      });

      test("to a silent peer ends at the handshake timeout", async (t) => {
        const silent = await transport.silentPeer();
        t.after(() => silent.close());
        const begun = performance.now();
        const url = transport.url.replace(/:0\b/, `:${silent.port}`);
        await assert.rejects(connect(url, undefined, { handshakeTimeoutMs: 300 }), HandshakeTimeoutError);
        const took = performance.now() - begun;
        assert.ok(took > 250 && took < 3_000, `took ${took} ms`);
      });

      test("is aborted by the caller's signal, before and during the handshake", async (t) => {
        const silent = await transport.silentPeer();
        t.after(() => silent.close());
        const url = transport.url.replace(/:0\b/, `:${silent.port}`);
        await assert.rejects(connect(url, undefined, { signal: AbortSignal.abort() }), AbortedError);
        const controller = new AbortController();
        const connecting = connect(url, undefined, { signal: controller.signal });
        setImmediate(() => controller.abort());
        await assert.rejects(connecting, AbortedError);
      });

      test("does not listen to its signal any more once it is connected", async (t) => {
        const controller = new AbortController();
        const connection = await dial(t, await serve(t, echo), undefined, { signal: controller.signal });
        controller.abort();
        connection.send(new Uint8Array(7));
        assert.equal((await receive(connection, 1))[0]!.length, 7);
      });
    });

    describe("certificates", () => {
      async function serveSecurely(t: TestContext, tls: Identity): Promise<Listener> {
        const listener = await listen(transport.secureUrl, echo, { tls });
        t.after(() => listener.close({ graceful: false }));
        return listener;
      }

      test("of a trusted authority are accepted", async (t) => {
        await assertEchoes(t, await serveSecurely(t, identity));
      });

      test("of an unknown authority are untrusted", async (t) => {
        const listener = await serveSecurely(t, identity);
        await assert.rejects(dial(t, listener, undefined, { tls: {} }), CertificateUntrustedError);
        const ca = (await Authority.make("another CA")).certificate;
        await assert.rejects(dial(t, listener, undefined, { tls: { ca } }), CertificateUntrustedError);
      });

      test("of an unknown authority are accepted where the caller insists", async (t) => {
        const listener = await serveSecurely(t, identity);
        const connection = await dial(t, listener, undefined, { tls: { insecure: true } });
        assert.equal(connection.state, "open");
      });

      test("for another name are refused, unless that name is asked for", async (t) => {
        const listener = await serveSecurely(t, await authority.issue({ names: ["other.invalid"] }));
        await assert.rejects(dial(t, listener), CertificateNameError);
        const tls = { ca: authority.certificate, serverName: "other.invalid" };
        const connection = await dial(t, listener, undefined, { tls });
        assert.equal(connection.state, "open");
      });

      test("that are expired are refused by listen", async () => {
        const tls = await authority.issue({ validFromDays: -13, validToDays: -1 });
        await assert.rejects(listen(transport.secureUrl, echo, { tls }), CertificateExpiredError);
      });

      test("that expire while the server runs are refused by clients", async (t) => {
        const lifeMs = 1_500;
        const tls = await authority.issue({ validToDays: lifeMs / (24 * 60 * 60 * 1000) });
        const listener = await serveSecurely(t, tls);
        await delay(lifeMs + 1_000); // validity has a resolution of a second
        await assert.rejects(dial(t, listener), CertificateExpiredError);
      });
    });

    describe("listening", () => {
      test("on a port in use says so", async (t) => {
        const listener = await serve(t, echo);
        await assert.rejects(listen(listener.urls[0]!, echo, { tls: identity }), AddressInUseError);
        await assertEchoes(t, listener);
      });

      test("ends with close, which ends the connections and frees the port", async (t) => {
        const listener = await listen(transport.url, echo, { tls: identity });
        const connection = await dial(t, listener);
        await listener.close();
        assert.equal(listener.connectionCount, 0);
        assert.equal((await connection.closed).by, "peer");
        const again = await listen(listener.urls[0]!, echo, { tls: identity });
        t.after(() => again.close({ graceful: false }));
        await assertEchoes(t, again);
        await listener.close();
      });

      test("twice in one process keeps the two apart", async (t) => {
        const greet = (size: number): Behaviour => ({
          open: (connection) => void connection.send(new Uint8Array(size)),
        });
        const [one, other] = [await serve(t, greet(1)), await serve(t, greet(2))];
        const [toOne, toOther] = [await dial(t, one), await dial(t, other)];
        assert.equal((await receive(toOne, 1))[0]!.length, 1);
        assert.equal((await receive(toOther, 1))[0]!.length, 2);
        assert.equal(one.connectionCount, 1);
        await one.close();
        toOther.send(new Uint8Array(1));
        assert.equal(other.connectionCount, 1);
      });
    });
  });

  /** A round trip of the handshake only: what was to happen on the listener before has happened. */
  async function assertEchoesNothing(t: TestContext, listener: Listener): Promise<void> {
    const connection = await dial(t, listener);
    assert.equal(connection.state, "open");
  }
}
