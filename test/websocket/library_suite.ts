import assert from "node:assert/strict";
import { before, describe, type TestContext, test } from "node:test";
import { CloseCode, type CloseInfo } from "millrace";
import { Authority, createStreamRelay } from "millrace/testing";
import {
  connect,
  listen,
  type WebSocketBehaviour,
  type WebSocketConnection,
  type WebSocketListenOptions,
} from "millrace/websocket";
import {
  AddressUnavailableError,
  ConnectionLostError,
  FrameTooLargeError,
  HandshakeFailedError,
  InvalidArgumentError,
  ProtocolMismatchError,
  ProtocolViolationError,
} from "#internal/errors.js";
import { collectUncaught } from "../kit/uncaught.js";
import { until } from "../kit/until.js";
import { RawClient } from "./raw_client.js";

const opcode = { text: 1, binary: 2, close: 8, ping: 9, pong: 10 };

/** How long a peer may be silent unless it is told. */
const defaultIdleTimeoutMs = 30_000;

/** What one library of servers must do, seen by raw TCP clients and by our own. */
export function describeServerLibrary(library: "uws" | "ws"): void {
  before(() => {
    process.env.MILLRACE_WEBSOCKET = library;
  });

  /** Serves an echo of binary and text, and tells how connections end. */
  async function serve(t: TestContext, options: WebSocketListenOptions = {}, url = "ws://127.0.0.1:0/") {
    const ends: { connection: WebSocketConnection; info: CloseInfo }[] = [];
    let arrived: () => void = () => {};
    const behaviour: WebSocketBehaviour = {
      open() {},
      frame: (connection, bytes) => void connection.send(bytes),
      text: (connection, text) => void connection.sendText(text),
      drain() {},
      close(connection, info) {
        ends.push({ connection, info });
        arrived();
      },
    };
    const listener = await listen(url, behaviour, options);
    t.after(() => listener.close());
    async function nextEnd() {
      while (ends.length === 0) {
        await new Promise<void>((resolve) => {
          arrived = resolve;
        });
      }
      return ends.shift()!;
    }
    return { listener, port: listener.address.port, nextEnd };
  }

  async function openRaw(t: TestContext, port: number): Promise<RawClient> {
    const client = await RawClient.connect(port);
    t.after(() => client.socket.destroy());
    assert.match(await client.upgrade("/"), /^HTTP\/1\.1 101 /);
    return client;
  }

  /** A client of ours that collects what it gets; `next` is the next message. */
  function collector() {
    const messages: { text: boolean; bytes: Buffer }[] = [];
    let arrived: () => void = () => {};
    let tellClosed: (info: CloseInfo) => void = () => {};
    const closed = new Promise<CloseInfo>((resolve) => {
      tellClosed = resolve;
    });
    const push = (text: boolean, bytes: Uint8Array) => {
      messages.push({ text, bytes: Buffer.from(bytes) });
      arrived();
    };
    const behaviour: WebSocketBehaviour = {
      open() {},
      frame: (_connection, bytes) => push(false, bytes),
      text: (_connection, bytes) => push(true, bytes),
      drain() {},
      close: (_connection, info) => tellClosed(info),
    };
    async function next() {
      while (messages.length === 0) {
        await new Promise<void>((resolve) => {
          arrived = resolve;
        });
      }
      return messages.shift()!;
    }
    return { behaviour, closed, next };
  }

  describe(`a WebSocket server by ${library}`, () => {
    test("brings plain messages to frame, though their handler has members with the names of others", async (t) => {
      const behaviour = {
        frame: (connection: WebSocketConnection, bytes: Uint8Array) => void connection.send(bytes),
        placedFrame: () => assert.fail("a member of the application's own"),
      };
      const listener = await listen("ws://127.0.0.1:0/", behaviour);
      t.after(() => listener.close());
      const client = await openRaw(t, listener.address.port);
      const payload = Buffer.alloc(64, 7); // longer than a frame's head
      client.sendFrame(opcode.binary, payload);
      assert.deepEqual(await client.readFrame(), { opcode: opcode.binary, payload });
    });

    test("echoes binary as binary and text as text, each in one message", async (t) => {
      const { port } = await serve(t);
      const client = await openRaw(t, port);
      client.sendFrame(opcode.binary, Buffer.from([1, 2, 3]));
      assert.deepEqual(await client.readFrame(), { opcode: opcode.binary, payload: Buffer.from([1, 2, 3]) });
      client.sendFrame(opcode.text, Buffer.from("grüß dich"));
      const answer = await client.readFrame();
      assert.deepEqual(answer, { opcode: opcode.text, payload: Buffer.from("grüß dich") });
    });

    test("joins the two parts of a frame into one message", async (t) => {
      const { listener } = await serve(t);
      const { behaviour, next } = collector();
      const connection = await connect(listener.url, behaviour);
      t.after(() => connection.close({ graceful: false }));
      connection.send(Buffer.from("head and "), Buffer.from("payload"));
      assert.equal((await next()).bytes.toString(), "head and payload");
      const large = Buffer.alloc(200_000, 7);
      connection.send(Buffer.from([1]), large);
      assert.deepEqual((await next()).bytes, Buffer.concat([Buffer.from([1]), large]));
    });

    test("gives messages that a copy by slice() keeps", async (t) => {
      const { listener } = await serve(t);
      const { behaviour } = collector();
      const kept = new Promise<Uint8Array>((resolve) => {
        behaviour.frame = (_connection, bytes) => {
          const copy = bytes.slice();
          bytes.fill(0);
          resolve(copy);
        };
      });
      const connection = await connect(listener.url, behaviour);
      t.after(() => connection.close({ graceful: false }));
      connection.send(Buffer.from([9, 9]));
      assert.deepEqual([...(await kept)], [9, 9]);
    });

    test("closes a peer that sends text where only frames are spoken", async (t) => {
      const ended = collector();
      delete ended.behaviour.text;
      const listener = await listen("ws://127.0.0.1:0/", ended.behaviour);
      t.after(() => listener.close());
      const client = await openRaw(t, listener.address.port);
      client.sendFrame(opcode.text, Buffer.from("hello"));
      const { payload, ...frame } = await client.readFrame();
      assert.equal(frame.opcode, opcode.close);
      assert.equal(payload.readUInt16BE(), 4000 + CloseCode.protocolViolation);
      client.sendFrame(opcode.close, payload.subarray(0, 2));
      const info = await ended.closed;
      assert.equal(info.by, "local");
      assert.ok(info.error instanceof ProtocolViolationError);
    });

    test("maps the peer's close codes, and keeps the one on the wire", async (t) => {
      const { port, nextEnd } = await serve(t);
      const cases = [
        { wire: 1000, by: "peer", code: CloseCode.normal },
        { wire: 1001, by: "peer", code: CloseCode.goingAway },
        { wire: 1011, by: "peer", code: CloseCode.internal },
        // uWebSockets.js takes 1012..3999, which the RFC leaves to registration, for no code at all.
        ...(library === "ws" ? [{ wire: 3333, by: "peer", code: CloseCode.policy }] : []),
        { wire: 4321, by: "peer", code: 321 },
      ];
      for (const { wire, by, code } of cases) {
        const client = await openRaw(t, port);
        client.sendFrame(opcode.close, Buffer.from([wire >> 8, wire & 0xff, ...Buffer.from("why")]));
        const { connection, info } = await nextEnd();
        assert.deepEqual({ by: info.by, code: info.code, reason: info.reason }, { by, code, reason: "why" });
        assert.equal(connection.wireCloseCode, wire);
      }
      const silent = await openRaw(t, port);
      silent.sendFrame(opcode.close);
      const none = await nextEnd();
      assert.deepEqual(none.info, { by: "peer", code: 0, reason: "" });
      assert.equal(none.connection.wireCloseCode, 1005);
    });

    test("takes a TCP connection that just ends as lost", async (t) => {
      const { listener, port, nextEnd } = await serve(t);
      const client = await openRaw(t, port);
      client.socket.destroy();
      const { connection, info } = await nextEnd();
      assert.equal(info.by, "transport");
      assert.ok(info.error instanceof ConnectionLostError);
      assert.equal(connection.wireCloseCode, 1006);
      assert.equal(connection.remoteAddress.address, "127.0.0.1");
      assert.equal(listener.connectionCount, 0);
    });

    test("closes a peer that breaks RFC 6455, and serves the others", async (t) => {
      const { listener, port, nextEnd } = await serve(t);
      const client = await openRaw(t, port);
      client.socket.write(Buffer.from([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]));
      client.socket.end();
      assert.notEqual((await nextEnd()).info.error, undefined);
      const { behaviour, next } = collector();
      const connection = await connect(listener.url, behaviour);
      t.after(() => connection.close({ graceful: false }));
      connection.send(new Uint8Array(3));
      assert.equal((await next()).bytes.length, 3);
    });

    test("refuses a message above the limit with 1009, and one far above it at once", async (t) => {
      const { listener, nextEnd } = await serve(t, { maxFrameBytes: 1000 });
      for (const bytes of [1001, 100_000]) {
        const { behaviour, closed } = collector();
        const connection = await connect(listener.url, behaviour);
        connection.send(new Uint8Array(bytes));
        const { info } = await nextEnd();
        assert.equal(info.code, CloseCode.frameTooLarge);
        assert.ok(info.error instanceof FrameTooLargeError);
        const seen = await closed;
        if (bytes === 1001) assert.ok(seen.error instanceof FrameTooLargeError);
        else assert.notEqual(seen.error, undefined);
      }
    });

    test("agrees to permessage-deflate where it is told to and the client offers it, and to nothing otherwise", async (t) => {
      const header = "Sec-WebSocket-Extensions";
      for (const [permessageDeflate, offer, agreed] of [
        [true, "permessage-deflate; client_max_window_bits", true],
        [true, "permessage-bzip2", false],
        [true, "", false],
        [false, "permessage-deflate", false],
        [undefined, "permessage-deflate", false],
      ] as const) {
        const { port } = await serve(t, { permessageDeflate });
        const client = await RawClient.connect(port);
        t.after(() => client.socket.destroy());
        const head = await client.upgrade("/", offer === "" ? {} : { [header]: offer });
        const answer = /^sec-websocket-extensions: (.*)\r$/im.exec(head)?.[1] ?? "";
        assert.match(head, /^HTTP\/1\.1 101 /);
        assert.equal(
          answer.includes("permessage-deflate"),
          agreed,
          `${permessageDeflate}, ${offer}: ${answer}`,
        );
        if (agreed) assert.match(answer, /server_no_context_takeover/);
      }
    });

    test("deflates what is worth it, binary and text, both ways", async (t) => {
      const { listener } = await serve(t, { permessageDeflate: true });
      const relay = await createStreamRelay({ target: listener.address });
      t.after(() => relay.close());
      const url = `ws://127.0.0.1:${relay.address.port}/`;
      for (const [permessageDeflate, most] of [
        [true, 10_000],
        [false, Number.POSITIVE_INFINITY],
      ] as const) {
        const { behaviour, next } = collector();
        const before = relay.counters;
        const connection = await connect(url, behaviour, { permessageDeflate });
        t.after(() => connection.close({ graceful: false }));
        const large = Buffer.alloc(200_000, "again and ");
        connection.send(Buffer.from("head "), large);
        assert.deepEqual((await next()).bytes, Buffer.concat([Buffer.from("head "), large]));
        connection.sendText(large);
        assert.deepEqual(await next(), { text: true, bytes: large });
        connection.send(Buffer.from("short"));
        assert.equal((await next()).bytes.toString(), "short");
        const up = relay.counters.toServer.forwardedBytes - before.toServer.forwardedBytes;
        const down = relay.counters.toClient.forwardedBytes - before.toClient.forwardedBytes;
        assert.ok(up < most && down < most, `${up} and ${down} bytes`);
        if (!permessageDeflate) assert.ok(up > 400_000 && down > 400_000, `${up} and ${down} bytes`);
      }
    });

    test("refuses by its size what is small only as long as it is deflated", async (t) => {
      const { listener, nextEnd } = await serve(t, { permessageDeflate: true, maxFrameBytes: 10_000 });
      for (const bytes of [10_001, 50_000_000]) {
        const { behaviour, closed } = collector();
        const connection = await connect(listener.url, behaviour, { permessageDeflate: true });
        connection.send(new Uint8Array(bytes));
        const { info } = await nextEnd();
        assert.equal(info.code, CloseCode.frameTooLarge);
        await closed;
      }
    });

    test("closes a peer that sends what deflate cannot read", async (t) => {
      const { port, nextEnd } = await serve(t, { permessageDeflate: true });
      const client = await RawClient.connect(port);
      t.after(() => client.socket.destroy());
      await client.upgrade("/", { "Sec-WebSocket-Extensions": "permessage-deflate" });
      client.sendFrame(0x40 | opcode.binary, Buffer.from([0xff, 0xff, 0xff, 0xff]));
      const { info } = await nextEnd();
      assert.notEqual(info.error, undefined);
      await client.closed;
    });

    test("closes a connection that goes silent, and keeps one that only answers pings", async (t) => {
      const { port, nextEnd, listener } = await serve(t, { idleTimeoutMs: 400 });
      const answering = await openRaw(t, port);
      const silent = await openRaw(t, port);
      const begun = performance.now();
      let pings = 0;
      let stopped = false;
      const answers = (async () => {
        while (!stopped) {
          const frame = await answering.readFrame();
          assert.equal(frame.opcode, opcode.ping);
          pings += 1;
          answering.sendFrame(opcode.pong, frame.payload);
        }
      })();
      const { info } = await nextEnd();
      const took = performance.now() - begun;
      assert.ok(info.error instanceof ConnectionLostError);
      assert.equal(info.by, "transport");
      assert.ok(took > 300 && took < defaultIdleTimeoutMs, `took ${took} ms`);
      await silent.closed;
      while (pings < 3) await new Promise(setImmediate);
      assert.equal(listener.connectionCount, 1);
      stopped = true;
      answering.socket.destroy();
      await answers.catch(() => {}); // its last read ends with the connection
    });

    test("keeps a healthy but idle pair of our own open beyond the idle timeout", async (t) => {
      const { listener } = await serve(t, { idleTimeoutMs: 200 });
      const { behaviour, next } = collector();
      const connection = await connect(listener.url, behaviour, { idleTimeoutMs: 200 });
      t.after(() => connection.close({ graceful: false }));
      const begun = performance.now();
      while (performance.now() - begun < 800) await new Promise((resolve) => setTimeout(resolve, 20));
      connection.send(new Uint8Array(5));
      assert.equal((await next()).bytes.length, 5);
    });

    test("picks the first of its own subprotocols that the client offers", async (t) => {
      const { port } = await serve(t, { protocols: ["b", "a"] });
      const client = await RawClient.connect(port);
      t.after(() => client.socket.destroy());
      const head = await client.upgrade("/", { "Sec-WebSocket-Protocol": "a, c,b" });
      assert.match(head, /^HTTP\/1\.1 101 /);
      assert.match(head, /^sec-websocket-protocol: b\r$/im);
    });

    test("refuses a client with other subprotocols, or none, before the upgrade", async (t) => {
      const { port, listener } = await serve(t, { protocols: ["a"] });
      for (const headers of [{ "Sec-WebSocket-Protocol": "b" }, {}]) {
        const client = await RawClient.connect(port);
        assert.match(await client.upgrade("/", headers), /^HTTP\/1\.1 400 /);
        client.socket.destroy();
      }
      assert.equal(listener.connectionCount, 0);
      await assert.rejects(connect(listener.url, collector().behaviour), ProtocolMismatchError);
    });

    test("accepts whatever subprotocol is offered where it names none", async (t) => {
      const { listener } = await serve(t);
      for (const protocols of [[], ["x", "y"]]) {
        const connection = await connect(listener.url, collector().behaviour, { protocols });
        assert.equal(connection.protocol, protocols[0] ?? "");
        connection.close({ graceful: false });
      }
    });

    test("upgrades on its path only", async (t) => {
      const { port } = await serve(
        t,
        { http: () => ({ status: 200, body: "page" }) },
        "ws://127.0.0.1:0/room",
      );
      const client = await RawClient.connect(port);
      assert.match(await client.upgrade("/"), /^HTTP\/1\.1 404 /);
      client.socket.destroy();
      const { behaviour } = collector();
      await assert.rejects(connect(`ws://127.0.0.1:${port}/hall`, behaviour), HandshakeFailedError);
      const connection = await connect(`ws://127.0.0.1:${port}/room?from=here`, behaviour);
      connection.close({ graceful: false });
    });

    test("answers plain HTTP by the handler given, and 404 without one", async (t) => {
      const { port } = await serve(t, {
        http: ({ method, path }) => {
          if (path === "/none") return undefined;
          return { status: 201, headers: { "x-method": method }, body: path };
        },
      });
      const at = (path: string) => `http://127.0.0.1:${port}${path}`;
      const answer = await fetch(at("/some/where?x=1"), { method: "POST", body: "ignored" });
      assert.equal(answer.status, 201);
      assert.equal(answer.headers.get("x-method"), "POST");
      assert.equal(await answer.text(), "/some/where?x=1");
      assert.equal((await fetch(at("/none"))).status, 404);
      const head = await fetch(at("/head"), { method: "HEAD" });
      assert.equal(head.status, 201);
      assert.equal(await head.text(), "");
      const bare = await serve(t);
      assert.equal((await fetch(`http://127.0.0.1:${bare.port}/`)).status, 404);
    });

    test("answers 500 for a handler that throws or returns no response, whole, and goes on", async (t) => {
      const uncaught = collectUncaught(t);
      const wrong: Readonly<Record<string, () => unknown>> = {
        "/throws": () => {
          throw new Error("mine");
        },
        "/accessor": () => ({
          get status() {
            throw new Error("mine, too");
          },
        }),
        "/later": async () => ({ status: 200 }),
        "/number": () => 5,
        "/status": () => ({ status: "200 OK\r\nx: y" }),
        "/informational": () => ({ status: 101 }),
        "/split": () => ({ status: 200, headers: { location: "/\r\nset-cookie: stolen=1" } }),
        "/name": () => ({ status: 200, headers: { "x: y\r\nz": "1" } }),
        "/header": () => ({ status: 200, headers: { x: null } }),
        "/length": () => ({ status: 200, headers: { "Content-Length": "5" }, body: "123" }),
        "/body": () => ({ status: 200, body: { a: 1 } }),
      };
      const http = ({ path }: { path: string }) => wrong[path]?.() as never;
      const { port } = await serve(t, { http });
      for (const path of Object.keys(wrong)) {
        const answer = await fetch(`http://127.0.0.1:${port}${path}`);
        assert.equal(answer.status, 500, path);
        assert.equal(answer.headers.get("set-cookie"), null);
        assert.equal(await answer.text(), "internal error\n");
      }
      assert.equal((await fetch(`http://127.0.0.1:${port}/else`)).status, 404);
      assert.equal(uncaught.length, Object.keys(wrong).length);
      assert.ok(uncaught.slice(2).every((cause) => cause instanceof InvalidArgumentError));
    });

    test("sends no body with a status that has none, so that the next answer is not taken for it", async (t) => {
      const { port } = await serve(t, {
        http: ({ path }) => ({ status: path === "/none" ? 204 : path === "/same" ? 304 : 200, body: path }),
      });
      const client = await RawClient.connect(port);
      t.after(() => client.socket.destroy());
      const requests = ["/none", "/same", "/last"].map((path) => `GET ${path} HTTP/1.1\r\nhost: a\r\n\r\n`);
      let answers = "";
      client.socket.on("data", (chunk) => {
        answers += chunk;
      });
      client.socket.write(requests.join(""));
      await until("the last answer came", () => answers.includes("/last"));
      assert.match(answers, /^HTTP\/1\.1 204 .*?\r\n\r\nHTTP\/1\.1 304 .*?\r\n\r\nHTTP\/1\.1 200 /s);
    });

    test("goes on with a connection whose handlers have thrown, and so does our client", async (t) => {
      const uncaught = collectUncaught(t);
      const got: string[] = [];
      const throwing = (side: string): WebSocketBehaviour => ({
        open() {},
        frame(connection, [value]) {
          got.push(`${side} frame ${value}`);
          if (side === "server") connection.send(Uint8Array.of(value!));
          throw new Error("mine");
        },
        text(connection, text) {
          got.push(`${side} text ${text[0]}`);
          if (side === "server") connection.sendText(text);
          throw new Error("mine");
        },
        drain() {},
        close() {
          got.push(`${side} close`);
          throw new Error("mine");
        },
      });
      const listener = await listen("ws://127.0.0.1:0", throwing("server"));
      t.after(() => listener.close());
      const client = await connect(listener.url, throwing("client"));
      for (const value of [1, 2]) {
        client.send(Uint8Array.of(value));
        client.sendText(Uint8Array.of(value));
      }
      await until("all was answered", () => got.length === 8);
      client.close();
      await until("both have ended", () => got.length === 10);
      assert.equal(listener.connectionCount, 0);
      for (const side of ["server", "client"]) {
        const own = got.filter((what) => what.startsWith(side)).map((what) => what.slice(side.length + 1));
        assert.deepEqual(own, ["frame 1", "text 1", "frame 2", "text 2", "close"]);
      }
      assert.deepEqual(new Set(uncaught.map((cause) => (cause as Error).message)), new Set(["mine"]));
      await until("every exception was told", () => uncaught.length === 10);
    });

    test("serves wss", async (t) => {
      const authority = await Authority.make();
      const { listener } = await serve(t, { tls: await authority.issue() }, "wss://127.0.0.1:0/");
      const { behaviour, next } = collector();
      const connection = await connect(listener.url, behaviour, { tls: { ca: authority.certificate } });
      t.after(() => connection.close({ graceful: false }));
      connection.send(new Uint8Array(300_000).fill(1));
      assert.equal((await next()).bytes.length, 300_000);
    });

    test("refuses to serve wss without a certificate", async (t) => {
      await assert.rejects(serve(t, {}, "wss://127.0.0.1:0/"), InvalidArgumentError);
    });

    test("says when an address is not this machine's", async (t) => {
      await assert.rejects(serve(t, {}, "ws://192.0.2.1:0/"), AddressUnavailableError);
      await assert.rejects(serve(t, {}, "ws://nowhere.invalid:0/"), AddressUnavailableError);
    });

    test("can listen on its port again at once, with old connections still open", async (t) => {
      const first = await serve(t);
      const old = await openRaw(t, first.port);
      await first.listener.close();
      const second = await serve(t, {}, first.listener.url);
      assert.equal(second.port, first.port);
      old.sendFrame(opcode.binary, Buffer.from([4]));
      assert.deepEqual((await old.readFrame()).payload, Buffer.from([4]));
    });

    test("serves IPv6 and shortens its addresses", async (t) => {
      const { listener, nextEnd } = await serve(t, {}, "ws://[::1]:0/");
      const connection = await connect(listener.url, collector().behaviour);
      assert.deepEqual(connection.remoteAddress, listener.address);
      connection.close();
      const end = await nextEnd();
      assert.equal(end.connection.remoteAddress.address, "::1");
      assert.equal(end.connection.remoteAddress.family, "ipv6");
    });

    test("sends the close code of an abrupt close where nothing is queued before it", async (t) => {
      const { listener, nextEnd } = await serve(t);
      const connection = await connect(listener.url, collector().behaviour);
      connection.close({ code: 400, reason: "now", graceful: false });
      const { info } = await nextEnd();
      assert.deepEqual({ code: info.code, reason: info.reason }, { code: 400, reason: "now" });
    });
  });
}
