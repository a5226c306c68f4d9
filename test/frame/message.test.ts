import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  type Behaviour,
  CloseCode,
  type CloseInfo,
  type Connection,
  type ConnectOptions,
  connect,
  FrameMalformedError,
  FrameTooLargeError,
  InvalidArgumentError,
  type Listener,
  type ListenOptions,
  listen,
  ProtocolViolationError,
  ResourceExhaustedError,
  UnknownTransportError,
} from "millrace";
import { encodeFrame, Kind } from "#internal/frame/frame.js";
import { collectUncaught } from "../kit/uncaught.js";
import { until } from "../kit/until.js";
import { FakeTransport } from "./fake_transport.js";

interface Pair<Data> {
  readonly transport: FakeTransport;
  readonly listener: Listener<Data>;
  readonly client: Connection;
}

async function pair<Data>(
  server: Behaviour<Data>,
  client: Behaviour = {},
  options: ListenOptions & ConnectOptions = {},
  transport = new FakeTransport(),
): Promise<Pair<Data>> {
  const all = { ...options, transports: [transport] };
  const listener = await listen("fake://127.0.0.1:0", server, all);
  return { transport, listener, client: await connect(listener.urls[0]!, client, all) };
}

const echo: Behaviour = { message: (connection, message) => void connection.send(message) };

const header = { kind: Kind.Message, flags: 0, channel: 0, type: 0, seq: 0, ref: 0 };
const text = (message: Uint8Array): string => new TextDecoder().decode(message);
const bytes = (message: string): Uint8Array => new TextEncoder().encode(message);

describe("messages", () => {
  it("come back from an echo in order, each the reader's own", async () => {
    const { client, listener } = await pair(echo);
    const sent = ["", "one", "x".repeat(70_000), "last"];
    for (const message of sent) client.send(bytes(message));
    const received: Uint8Array[] = [];
    for await (const message of client) {
      received.push(message);
      if (received.length === sent.length) break;
    }
    assert.deepEqual(received.map(text), sent);
    assert.equal(client.state, "open");
    await listener.close();
  });

  it("arrive at a handler as bytes that only slice() keeps", async () => {
    const seen: { now: string; view: Uint8Array; copy: Uint8Array }[] = [];
    const done = withResolvers<void>();
    const { client, listener } = await pair({
      message(_connection, view) {
        seen.push({ now: text(view), view, copy: view.slice() });
        if (seen.length === 2) setImmediate(done.resolve);
      },
    });
    client.send(bytes("a"));
    client.send(bytes("b"));
    await done.promise;
    assert.deepEqual(
      seen.map(({ now, view, copy }) => [now, text(copy), view[0]]),
      [
        ["a", "a", 0xdd],
        ["b", "b", 0xdd],
      ],
    );
    await listener.close();
  });

  it("of exactly maxMessageBytes are sent, and larger ones refused with the limit in the error", async () => {
    const { client, listener } = await pair(echo, {}, { maxMessageBytes: 1000 });
    assert.equal(client.send(new Uint8Array(1000)), "sent");
    assert.throws(
      () => client.send(new Uint8Array(1001)),
      (error: unknown) => error instanceof FrameTooLargeError && error.message.includes("1000"),
    );
    assert.throws(() => client.send("text" as unknown as Uint8Array), InvalidArgumentError);
    await listener.close();
  });

  it("that the peer should not have sent end the connection, and the error says why", async () => {
    const large = encodeFrame(header, new Uint8Array(1001));
    const spoilt = encodeFrame(header, new Uint8Array(8)).fill(0xff, 4, 8);
    const unknown = encodeFrame({ ...header, kind: 99 }, new Uint8Array(0));
    for (const [frame, code, error] of [
      [large, CloseCode.frameTooLarge, FrameTooLargeError],
      [spoilt, CloseCode.frameMalformed, FrameMalformedError],
      [unknown, CloseCode.protocolViolation, ProtocolViolationError],
    ] as const) {
      const ended = withResolvers<CloseInfo>();
      const messages: number[] = [];
      const { client, transport, listener } = await pair(
        { message: (_, m) => void messages.push(m.length), close: (_, info) => ended.resolve(info) },
        {},
        { maxMessageBytes: 1000 },
      );
      transport.ends[0]!.arrive(frame);
      client.send(bytes("too late"));
      const info = await ended.promise;
      assert.deepEqual([info.by, info.code, info.error instanceof error], ["local", code, true]);
      assert.deepEqual([(await client.closed).by, (await client.closed).code], ["peer", code]);
      assert.deepEqual(messages, [], "what comes after it is dropped");
      await listener.close();
    }
  });

  it("of unknown kinds are ignored where they are marked so", async () => {
    const { client, transport, listener } = await pair(echo);
    transport.ends[0]!.arrive(encodeFrame({ ...header, kind: 99, flags: 0x80 }, new Uint8Array(0)));
    client.send(bytes("after"));
    for await (const message of client) {
      assert.equal(text(message), "after");
      break;
    }
    await listener.close();
  });
});

describe("a send", () => {
  it("is sent, then blocked, then dropped, and drain says when to go on", async () => {
    const drained = withResolvers<void>();
    const { client, listener } = await pair(
      { message() {} },
      { drain: () => drained.resolve() },
      { highWaterMarkBytes: 2_000 },
    );
    assert.equal(client.send(new Uint8Array(900)), "sent");
    assert.equal(client.send(new Uint8Array(1200)), "blocked");
    assert.equal(client.send(new Uint8Array(1)), "dropped");
    assert.ok(client.bytesQueued >= 2_000);
    await drained.promise;
    assert.equal(client.send(new Uint8Array(1)), "sent");
    await listener.close();
  });
});

describe("a handler that fails", () => {
  const failures = ["throws", "rejects"] as const;
  for (const failure of failures) {
    it(`${failure} to error(), and its connection lives on`, async () => {
      const causes: unknown[] = [];
      const { client, listener } = await pair({
        message(connection, message) {
          const answer = text(message);
          connection.send(message);
          if (answer !== "bad") return;
          if (failure === "rejects") return Promise.reject(new Error(answer));
          throw new Error(answer);
        },
        error: (connection, cause) => void causes.push([connection?.transport, (cause as Error).message]),
      });
      client.send(bytes("bad"));
      client.send(bytes("good"));
      const received: string[] = [];
      for await (const message of client) if (received.push(text(message)) === 2) break;
      assert.deepEqual(received, ["bad", "good"]);
      assert.deepEqual(causes, [["fake", "bad"]]);
      await listener.close();
    });
  }

  it("is an uncaught exception where there is no error()", async (t) => {
    const uncaught = collectUncaught(t);
    const { client, listener } = await pair({
      message() {
        throw new Error("nobody listens");
      },
    });
    client.send(bytes("x"));
    await until("it is told", () => uncaught.length > 0);
    assert.equal((uncaught[0] as Error).message, "nobody listens");
    assert.equal(client.state, "open");
    await listener.close();
  });
});

describe("an iterator", () => {
  it("holds the peer back while its reader is slow, and lets it on again", async () => {
    const { client, transport, listener } = await pair(echo, {}, { highWaterMarkBytes: 10_000 });
    const [, clientEnd] = transport.ends;
    const total = 60;
    let sent = 0;
    const send = (): void => {
      while (sent < total && client.send(new Uint8Array(1000).fill(sent)) !== "dropped") sent += 1;
      if (sent < total) setImmediate(send);
    };
    send();
    while (!clientEnd!.paused) await turn();
    const received: number[] = [];
    for await (const message of client) {
      received.push(message[0]!);
      if (received.length === total) break;
    }
    assert.ok(
      received.every((first, i) => i === 0 || first >= received[i - 1]!),
      "in order",
    );
    assert.equal(clientEnd!.paused, false);
    await listener.close();
  });

  it("ends a connection that cannot be held back, at four marks, and tells its reader", async () => {
    const transport = new FakeTransport();
    transport.pausable = false;
    const { client, listener } = await pair(
      {
        open(connection) {
          for (let i = 0; i < 50; i++) connection.send(new Uint8Array(1000));
        },
      },
      {},
      { highWaterMarkBytes: 5_000 },
      transport,
    );
    const info = await client.closed;
    assert.deepEqual([info.by, info.code], ["local", CloseCode.exhausted]);
    await assert.rejects(async () => {
      for await (const message of client) assert.equal(message.length, 1000);
    }, ResourceExhaustedError);
    await listener.close();
  });

  it("gives what has arrived before it ends", async () => {
    const { client, listener } = await pair({
      open(connection) {
        connection.send(bytes("one"));
        connection.send(bytes("two"));
        connection.close({ code: 300, reason: "done" });
      },
    });
    const info = await client.closed;
    assert.deepEqual([info.by, info.code, info.reason], ["peer", 300, "done"]);
    const received: string[] = [];
    for await (const message of client) received.push(text(message));
    assert.deepEqual(received, ["one", "two"]);
    await listener.close();
  });

  it("is refused beside a message handler, and beside another iterator", async () => {
    const { client, listener } = await pair(echo, { message() {} });
    await assert.rejects(client[Symbol.asyncIterator]().next(), InvalidArgumentError);
    await listener.close();
    const second = await pair(echo);
    const first = second.client[Symbol.asyncIterator]();
    const waiting = first.next();
    await assert.rejects(second.client[Symbol.asyncIterator]().next(), InvalidArgumentError);
    await second.client.close();
    assert.deepEqual(await waiting, { done: true, value: undefined });
    await second.listener.close();
  });
});

describe("a connection", () => {
  it("opens once on either side, before its messages, and closes once, after them", async () => {
    const calls: string[] = [];
    const ended = withResolvers<void>();
    const record = (side: string): Behaviour => ({
      open: () => void calls.push(`${side} open`),
      message: (_, message) => void calls.push(`${side} ${text(message)}`),
      close(_, info) {
        calls.push(`${side} closed by ${info.by}`);
        if (side === "server") ended.resolve();
      },
    });
    const { client, listener } = await pair(record("server"), record("client"));
    client.send(bytes("hello"));
    await client.close();
    await ended.promise;
    await listener.close();
    assert.deepEqual(
      calls.filter((call) => call.startsWith("server")),
      ["server open", "server hello", "server closed by peer"],
    );
    assert.deepEqual(
      calls.filter((call) => call.startsWith("client")),
      ["client open", "client closed by local"],
    );
  });

  it("keeps the application's data, and answers for its transport", async () => {
    const seen = withResolvers<unknown>();
    const { client, listener } = await pair<{ name: string }>({
      open(connection) {
        connection.data = { name: "north" };
      },
      message: (connection) => seen.resolve(connection.data.name),
    });
    client.send(bytes("?"));
    assert.equal(await seen.promise, "north");
    assert.deepEqual(
      [client.transport, client.protocol, client.roundTripMs, client.remoteAddress.address],
      ["fake", "millrace/1", 0.25, "127.0.0.1"],
    );
    assert.equal(listener.connectionCount, 1);
    assert.deepEqual(
      [...listener.connections()].map(({ data }) => data.name),
      ["north"],
    );
    await listener.close();
    assert.equal(listener.connectionCount, 0);
  });

  it("tells how it ended as often as it is asked, before and after", async () => {
    const { client, listener } = await pair(echo);
    const before = client.closed;
    assert.equal(client.closed, before);
    const info = await client.close({ code: 256, reason: "enough" });
    assert.deepEqual(info, { by: "local", code: 256, reason: "enough" });
    assert.equal(await before, info);
    assert.equal(await client.close(), info);
    await listener.close();
  });

  it("refuses close options that no transport could carry", async () => {
    const { client, listener } = await pair(echo);
    for (const options of [{ code: 1000 }, { code: -1 }, { reason: "é".repeat(62) }, { deadlineMs: 0.5 }]) {
      assert.throws(() => client.close(options), InvalidArgumentError);
    }
    assert.throws(
      () => client.close({ gracefull: true } as object),
      /no option "gracefull"; did you mean graceful\?/,
    );
    assert.equal(client.state, "open");
    await listener.close();
  });

  it("is closed when its scope is left", async () => {
    const { client, listener } = await pair(echo);
    await client[Symbol.asyncDispose]();
    assert.equal(client.state, "closed");
    await listener[Symbol.asyncDispose]();
  });
});

describe("a listener", () => {
  it("closes its connections as going away, frees its ports, and may be closed again", async () => {
    const { client, listener, transport } = await pair(echo);
    await turn();
    const closing = listener.close();
    await Promise.all([closing, listener.close()]);
    assert.equal((await client.closed).code, CloseCode.goingAway);
    await assert.rejects(connect(listener.urls[0]!, {}, { transports: [transport] }));
  });

  it("closes a connection whose handshake ends while it closes", async () => {
    const opened: Connection[] = [];
    const ended = withResolvers<CloseInfo>();
    const { client, listener } = await pair({
      open: (connection) => void opened.push(connection),
      close: (_, info) => ended.resolve(info),
    });
    assert.equal(opened.length, 0, "the server does not know of it yet");
    await listener.close();
    assert.equal((await client.closed).code, CloseCode.goingAway);
    assert.equal((await ended.promise).by, "local");
    assert.equal(opened.length, 1);
  });

  it("binds all of its URLs or none", async () => {
    const transport = new FakeTransport();
    const options = { transports: [transport] };
    await assert.rejects(listen(["fake://h:5", "gopher://h:6"], echo, options), UnknownTransportError);
    await assert.rejects(connect("fake://h:5", {}, options), /nobody listens/);
    const listener = await listen(["fake://h:5", "fake://h:6"], echo, options);
    assert.deepEqual(
      listener.addresses.map(({ port }) => port),
      [5, 6],
    );
    await listener.close();
  });
});

describe("options", () => {
  it("reach the transport with their defaults", async () => {
    const { transport, listener } = await pair(echo);
    const { maxFrameBytes, highWaterMarkBytes, idleTimeoutMs, handshakeTimeoutMs, protocols } =
      transport.listenOptions!;
    assert.deepEqual(
      [highWaterMarkBytes, idleTimeoutMs, handshakeTimeoutMs, protocols],
      [1_048_576, 30_000, 10_000, ["millrace/1"]],
    );
    assert.ok(maxFrameBytes > 1_048_576 + 48 && maxFrameBytes < 1_048_576 + 4_096);
    await listener.close();
  });

  for (const [options, said] of [
    [{ maxMessageBytes: 0 }, /^maxMessageBytes must be an integer from 1 to 67108864, and not 0$/],
    [{ maxMessageBytes: "1" }, /maxMessageBytes .* not "1"/],
    [{ highWaterMarkBytes: 1.5 }, /highWaterMarkBytes .* not 1.5/],
    [{ idleTimeoutMs: -1 }, /idleTimeoutMs must be an integer from 0 to .* not -1/],
    [{ handshakeTimeoutMs: Number.NaN }, /handshakeTimeoutMs .* not NaN/],
    [{ protocols: [] }, /protocols must be a list of at least one name .* not an array/],
    [{ protocols: ["x".repeat(256)] }, /protocols must be a list of .* of 1 to 255 bytes/],
    [{ tls: null }, /tls .* not null/],
    [{ transports: [{}] }, /transports/],
    [{ maxMesageBytes: 1 }, /no option "maxMesageBytes"; did you mean maxMessageBytes\?/],
  ] as const) {
    it(`are refused when wrong: ${JSON.stringify(options)}`, async () => {
      const wrong = { transports: [new FakeTransport()], ...options } as object;
      for (const attempt of [listen("fake://h:1", echo, wrong), connect("fake://h:1", {}, wrong)]) {
        await assert.rejects(attempt, (error: unknown) => {
          assert.ok(error instanceof InvalidArgumentError);
          assert.match(error.message, said);
          return true;
        });
      }
    });
  }

  it("of one side only are refused on the other", async () => {
    const signal = AbortSignal.abort();
    await assert.rejects(
      listen("fake://h:1", echo, { signal } as object),
      /no option "signal"; there are maxMessageBytes, /,
    );
    await assert.rejects(connect("fake://h:1", {}, { http: () => undefined } as object), /no option "http"/);
    await assert.rejects(
      connect("fake://h:1", { message: 1 } as unknown as Behaviour),
      /behaviour.message must be a function, and not 1/,
    );
    await assert.rejects(listen([], echo), /urls is empty/);
    await assert.rejects(connect("fake://h:1", {}, { signal, transports: [new FakeTransport()] }), {
      code: "ERR_MILLRACE_ABORTED",
    });
  });
});

function turn(): Promise<void> {
  return new Promise(setImmediate);
}

function withResolvers<T>(): { promise: Promise<T>; resolve: (value: T) => void } {
  let resolve!: (value: T) => void;
  const promise = new Promise<T>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}
