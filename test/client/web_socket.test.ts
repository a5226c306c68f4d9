import assert from "node:assert/strict";
import { describe, type TestContext, test } from "node:test";
import {
  type ClientOptions,
  createWebSocketClass,
  decodeSocketClose,
  encodeSocketClose,
  type SessionSocket,
  type SocketCloseEvent,
  SocketMessage,
} from "millrace/client";
import { createServer, type ServerBehaviour, type ServerOptions, type Session } from "millrace/server";
import { createStreamRelay, type StreamRelay } from "millrace/testing";
import { deferred } from "../kit/deferred.js";
import { until } from "../kit/until.js";
import { authority, identity } from "../transport/suite/kit.js";

const transports = [
  ["QUIC", "quic://127.0.0.1:0"],
  ["a WebSocket", "ws://127.0.0.1:0"],
  ["TCP", "tcp://127.0.0.1:0"],
] as const;

/** Sends back what comes, as what it came. */
const echo: ServerBehaviour = {
  message(session, { type, payload }) {
    if (type !== SocketMessage.close) session.send(payload, { type });
  },
};

async function serve<Data = unknown>(
  t: TestContext,
  listen: string,
  behaviour: ServerBehaviour<Data> = echo as ServerBehaviour<Data>,
  options: Partial<ServerOptions<Data>> = {},
): Promise<string> {
  const server = await createServer({ listen, tls: identity, ...options }, behaviour);
  t.after(() => server.close({ graceful: false }));
  return server.urls[0]!;
}

function socketTo(t: TestContext, url: string, protocols: string[] = [], options: ClientOptions = {}) {
  const tls = url.startsWith("ws:") ? undefined : { ca: authority.certificate };
  const WebSocket = createWebSocketClass({ tls, ...options });
  const socket = new WebSocket(url, protocols);
  t.after(() => socket.close());
  return socket;
}

/** Resolves with the next event of that name. */
function next<Happened = Event>(socket: SessionSocket, name: string): Promise<Happened> {
  return new Promise((resolve) => {
    socket.addEventListener(name, (event) => resolve(event as Happened), { once: true });
  });
}

function ended(socket: SessionSocket): Promise<SocketCloseEvent> {
  return next<SocketCloseEvent>(socket, "close");
}

for (const [name, listen] of transports) {
  describe(`a WebSocket that is a session over ${name}`, () => {
    test("keeps text and bytes apart, and all in order", async (t) => {
      const socket = socketTo(t, await serve(t, listen));
      socket.binaryType = "arraybuffer";
      const heard: unknown[] = [];
      socket.onmessage = ({ data }) => heard.push(data);
      await next(socket, "open");
      const bytes = Uint8Array.of(0xff, 0, 1);
      socket.send("mühle");
      socket.send(bytes.buffer);
      socket.send(new Blob([Uint8Array.of(7)]));
      socket.send(bytes.subarray(1));
      bytes[2] = 9; // what waits behind the Blob has been copied
      socket.send("\ufefflast");
      await until("all has come back", () => heard.length === 5);
      assert.deepEqual(
        heard.map((data) => (typeof data === "string" ? data : [...new Uint8Array(data as ArrayBuffer)])),
        ["mühle", [0xff, 0, 1], [7], [0, 1], "\ufefflast"],
      );
    });

    test("gives bytes as a Blob where it is not told otherwise", async (t) => {
      const socket = socketTo(t, await serve(t, listen));
      await next(socket, "open");
      assert.equal(socket.binaryType, "blob");
      socket.send(Uint8Array.of(1, 2));
      const { data } = await next<MessageEvent>(socket, "message");
      assert.ok(data instanceof Blob);
      assert.deepEqual([...new Uint8Array(await data.arrayBuffer())], [1, 2]);
      socket.binaryType = "text" as "blob";
      assert.equal(socket.binaryType, "blob");
    });

    test("goes from connecting to open to closing to closed, and says how it closed to both sides", async (t) => {
      const told = deferred<{ code: number; reason: string }>();
      const url = await serve(t, listen, {
        message: (_session, { type, payload }) => {
          if (type === SocketMessage.close) told.resolve(decodeSocketClose(payload));
        },
      });
      const socket = socketTo(t, url);
      assert.equal(socket.readyState, socket.CONNECTING);
      await next(socket, "open");
      assert.equal(socket.readyState, socket.OPEN);
      const end = ended(socket);
      socket.close(3_500, "enough");
      assert.equal(socket.readyState, socket.CLOSING);
      assert.deepEqual(await told.promise, { code: 3_500, reason: "enough" });
      const { code, reason, wasClean } = await end;
      assert.deepEqual({ code, reason, wasClean }, { code: 3_500, reason: "enough", wasClean: true });
      assert.equal(socket.readyState, socket.CLOSED);
      socket.send("too late");
      assert.equal(socket.bufferedAmount, 8);
    });

    test("is told how the server closes it: by any code of a WebSocket's, or of a session's", async (t) => {
      const ways: ((session: Session) => void)[] = [
        (session) => {
          const payload = encodeSocketClose({ code: 4_401, reason: "who are you" });
          session.send(payload, { type: SocketMessage.close });
        },
        (session) => void session.close({ code: 300, reason: "by the session" }),
        (session) => void session.close(),
      ];
      const expected = [
        [4_401, "who are you"],
        [4_300, "by the session"],
        [1_000, ""],
      ];
      const url = await serve(t, listen, { open: (session) => ways.shift()!(session) });
      for (const [code, reason] of expected) {
        const event = await ended(socketTo(t, url));
        assert.deepEqual([event.code, event.reason, event.wasClean], [code, reason, true]);
      }
    });

    test("shows by bufferedAmount what the peer has not taken, and gives up where there is no more room", async (t) => {
      const gate = deferred();
      const url = await serve(t, listen, { message: () => gate.promise });
      t.after(() => gate.resolve());
      const socket = socketTo(t, url, [], { queueBytes: 256 * 1024 });
      await next(socket, "open");
      const bytes = new Uint8Array(32 * 1024);
      while (socket.bufferedAmount < 64 * 1024) socket.send(bytes);
      const end = ended(socket);
      const failed = next(socket, "error");
      while (socket.readyState === socket.OPEN) socket.send(bytes);
      await failed;
      const { code, wasClean } = await end;
      assert.deepEqual([code, wasClean], [1_006, false]);
    });

    test("fails with an error, and then the close, where the server cannot be reached or refuses", async (t) => {
      const url = await serve(t, listen, {
        authenticate() {
          throw new Error("nobody is let in");
        },
        error() {},
      });
      for (const target of [url, atPort(url, 1)]) {
        const socket = socketTo(t, target, [], { connectTimeoutMs: 2_000 });
        const order: string[] = [];
        for (const name of ["open", "error", "close"]) socket.addEventListener(name, () => order.push(name));
        const { code, wasClean } = await ended(socket);
        assert.deepEqual([order, code, wasClean], [["error", "close"], 1_006, false]);
      }
    });
  });
}

/** A relay in front of a server, and the server's URL through it. */
async function relayTo(t: TestContext, url: string): Promise<{ relay: StreamRelay; through: string }> {
  const relay = await createStreamRelay({ target: endpointOf(url) });
  t.after(() => relay.close());
  return { relay, through: atPort(url, relay.address.port) };
}

/** The same URL at another port. */
function atPort(url: string, port: number): string {
  return url.replace(/:\d+(?=\/|$)/, `:${port}`);
}

function endpointOf(url: string): { address: string; port: number } {
  const { hostname, port } = new URL(url);
  return { address: hostname, port: Number(port) };
}

for (const [name, listen] of transports.filter(([, url]) => !url.startsWith("quic:"))) {
  describe(`a WebSocket whose session loses its connection over ${name}`, () => {
    test("goes on over the next, and nobody sees it", async (t) => {
      const { relay, through } = await relayTo(t, await serve(t, listen));
      const socket = socketTo(t, through, [], { reconnect: { delayMs: 10 } });
      const heard: number[] = [];
      const ends: Event[] = [];
      socket.onmessage = ({ data }) => void heard.push(Number(data));
      socket.onerror = (event) => void ends.push(event);
      socket.onclose = (event) => void ends.push(event);
      await next(socket, "open");
      for (let i = 0; i < 500; i += 1) {
        socket.send(String(i));
        if (i % 100 !== 50) continue;
        await until("some has come back", () => heard.length > i - 50);
        relay.cut();
      }
      await until("all has come back", () => heard.length === 500);
      assert.deepEqual(
        heard,
        Array.from({ length: 500 }, (_, index) => index),
      );
      assert.deepEqual([ends, socket.readyState], [[], socket.OPEN]);
      assert.ok(relay.counters.connections > 1);
    });

    test("ends where the server has lost the session, and so perhaps what was under way", async (t) => {
      const { relay, through } = await relayTo(t, await serve(t, listen));
      const socket = socketTo(t, through, [], { reconnect: { delayMs: 10 } });
      await next(socket, "open");
      const end = ended(socket);
      await relay.retarget(endpointOf(await serve(t, listen)));
      relay.cut();
      const { code, wasClean } = await end;
      assert.deepEqual([code, wasClean], [1_006, false]);
    });
  });
}

describe("a WebSocket that is a session", () => {
  test("offers its protocols to the server, and has the first", async (t) => {
    const offered = deferred<string>();
    const url = await serve(t, "ws://127.0.0.1:0", {
      authenticate: ({ meta }) => offered.resolve(new TextDecoder().decode(meta.get("protocols"))),
    });
    const socket = socketTo(t, url, ["chat.v2", "chat.v1"]);
    assert.equal(socket.protocol, "");
    await next(socket, "open");
    assert.equal(await offered.promise, "chat.v2, chat.v1");
    assert.equal(socket.protocol, "chat.v2");
  });

  test("throws what the standard says for arguments that are wrong, and for what comes too early", async (t) => {
    const WebSocket = createWebSocketClass();
    const named = (name: string) => (error: unknown) => error instanceof DOMException && error.name === name;
    for (const url of ["not a url", "ws://localhost/#there"]) {
      assert.throws(() => new WebSocket(url), named("SyntaxError"), url);
    }
    for (const protocols of [["a", "a"], ["a b"], [""]]) {
      assert.throws(() => new WebSocket("ws://localhost", protocols), named("SyntaxError"));
    }
    const socket = socketTo(t, await serve(t, "ws://127.0.0.1:0"));
    assert.throws(() => socket.send("early"), named("InvalidStateError"));
    for (const code of [0, 999, 1_001, 2_999, 5_000]) {
      assert.throws(() => socket.close(code), named("InvalidAccessError"), String(code));
    }
    assert.throws(() => socket.close(1_000, "ü".repeat(62)), named("SyntaxError"));
    assert.equal(socket.readyState, WebSocket.CONNECTING);
  });

  test("does not open any more when it is closed while it connects", async (t) => {
    const socket = socketTo(t, await serve(t, "ws://127.0.0.1:0"));
    socket.onopen = () => assert.fail("it opened");
    socket.close();
    assert.equal(socket.readyState, socket.CLOSING);
    assert.equal((await ended(socket)).code, 1_006);
  });

  test("says its URL as it is used, and has the constants of the class", () => {
    const WebSocket = createWebSocketClass({ signal: AbortSignal.abort() });
    assert.equal(new WebSocket("https://example.org/a?b").url, "wss://example.org/a?b");
    assert.equal(new WebSocket(new URL("quic://example.org:7")).url, "quic://example.org:7");
    assert.deepEqual(
      [WebSocket.CONNECTING, WebSocket.OPEN, WebSocket.CLOSING, WebSocket.CLOSED],
      [0, 1, 2, 3],
    );
    assert.equal(WebSocket.name, "WebSocket");
  });

  test("calls the handler that stands in a property, and no other that stood there", async (t) => {
    const socket = socketTo(t, await serve(t, "ws://127.0.0.1:0"));
    const heard: unknown[] = [];
    socket.onmessage = () => assert.fail("it was replaced");
    socket.onmessage = ({ data }) => void heard.push(data);
    assert.equal(typeof socket.onmessage, "function");
    await next(socket, "open");
    socket.send("a");
    await until("it has come back", () => heard.length === 1);
    socket.onmessage = null;
    assert.equal(socket.onmessage, null);
    socket.send("b");
    await next(socket, "message");
    assert.deepEqual(heard, ["a"]);
  });
});
