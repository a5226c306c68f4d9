import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { promisify } from "node:util";
import fc from "fast-check";
import {
  CloseCode,
  type CloseInfo,
  type Codec,
  type Connection,
  connect,
  type FrameContents,
  FrameMalformedError,
  frameCodec,
  InvalidArgumentError,
  jsonCodec,
  type Listener,
  type ListenOptions,
  listen,
  ProtocolMismatchError,
  publish,
} from "millrace";
import { messagePackCodec } from "millrace/msgpack";
import { Authority } from "millrace/testing";
import { WebSocket } from "ws";
import { checkMessagePack } from "#internal/frame/message_pack_shape.js";
import { deferred } from "../kit/deferred.js";
import { until } from "../kit/until.js";
import { echo, frame, framesIn, Kind, RawPeer, serve } from "../tcp/kit.js";

const codecs: readonly Codec[] = [frameCodec, jsonCodec, messagePackCodec];
/** A listener's certificate, made once. */
const identity = Authority.make().then(async (authority) => ({
  ca: authority.certificate,
  ...(await authority.issue()),
}));
const utf8 = new TextEncoder();

const u32 = fc.integer({ min: 0, max: 0xffff_ffff });
const byte = fc.integer({ min: 0, max: 255 });
const bytes = fc.uint8Array({ maxLength: 200 });
const text = fc.string({ unit: "grapheme", maxLength: 20 });
const frames = fc.record(
  {
    ...{
      kind: byte,
      flags: byte,
      channel: fc.integer({ min: 0, max: 0xffff }),
      type: u32,
      seq: u32,
      ref: u32,
    },
    payload: fc.oneof(
      bytes,
      text.map((value) => utf8.encode(value)),
    ),
    subject: fc.option(text, { nil: undefined }),
    meta: fc.array(fc.record({ key: text, value: bytes }, { noNullPrototype: true }), { maxLength: 4 }),
  },
  { noNullPrototype: true },
);

function contents(frame: Readonly<FrameContents>): FrameContents {
  const { kind, flags, channel, type, seq, ref, payload, subject, meta } = frame;
  const entries = meta?.map(({ key, value }) => ({ key, value: new Uint8Array(value) }));
  return { kind, flags, channel, type, seq, ref, payload: new Uint8Array(payload), subject, meta: entries };
}

async function listening(t: TestContext, url: string, options: ListenOptions = {}): Promise<Listener> {
  const { certificate, privateKey } = await identity;
  const all = { codecs, ...(url.startsWith("quic") && { tls: { certificate, privateKey } }), ...options };
  const echo = { message: (connection: Connection, message: Uint8Array) => void connection.send(message) };
  const listener = await listen(url, echo, all);
  t.after(() => listener.close({ graceful: false }));
  return listener;
}

async function connected(listener: Listener, codecs: readonly Codec[]): Promise<Connection> {
  const url = listener.urls[0]!;
  return connect(url, {}, { codecs, ...(url.startsWith("quic") && { tls: { ca: (await identity).ca } }) });
}

async function next(connection: Connection): Promise<Uint8Array> {
  for await (const message of connection) return message;
  throw new Error("the connection ended");
}

for (const codec of codecs) {
  describe(`the ${codec.name} codec`, () => {
    it("decodes what it encoded", () => {
      fc.assert(
        fc.property(frames, (frame) => {
          const unit = codec.encode(frame);
          assert.deepEqual(contents(codec.decode(unit)), frame);
        }),
      );
    });

    it("keeps to the size that it says its units have", () => {
      const worst = [
        new Uint8Array(3000).fill(1),
        new Uint8Array(3000).fill(0x22),
        new Uint8Array(3000).fill(0xff),
      ];
      for (const payload of worst) {
        const frame = {
          kind: 4,
          flags: 255,
          channel: 65_535,
          type: 2 ** 32 - 1,
          seq: 2 ** 32 - 1,
          ref: 2 ** 32 - 1,
        };
        const unit = codec.encode({ ...frame, payload });
        assert.ok(unit.length <= codec.maxUnitBytes(payload.length), `${unit.length}`);
      }
    });

    it("throws FrameMalformedError at bytes that are none, and never anything else", () => {
      const seed = codec.encode({
        kind: 4,
        flags: 0,
        channel: 1,
        type: 2,
        seq: 3,
        ref: 4,
        payload: utf8.encode("a"),
      });
      fc.assert(
        fc.property(fc.array(fc.tuple(fc.nat(), byte), { minLength: 1, maxLength: 4 }), (changes) => {
          const unit = seed.slice();
          for (const [place, value] of changes) unit[place % unit.length] = value;
          try {
            assert.ok(codec.decode(unit).payload instanceof Uint8Array);
          } catch (error) {
            assert.ok(error instanceof FrameMalformedError, `${error}`);
          }
        }),
        { numRuns: 3_000 },
      );
    });

    for (const url of ["ws://127.0.0.1:0", "quic://127.0.0.1:0"]) {
      it(`carries messages over ${url.split(":")[0]}, agreed on among several`, async (t) => {
        const listener = await listening(t, url);
        const client = await connected(listener, [codec]);
        assert.equal(client.codec, codec.name);
        for (const message of [utf8.encode("hello"), new Uint8Array(0), new Uint8Array(100_000).fill(255)]) {
          client.send(message);
          assert.deepEqual(new Uint8Array(await next(client)), message);
        }
        assert.deepEqual(
          [...listener.connections()].map((connection) => connection.codec),
          [codec.name],
        );
        await client.close();
      });
    }
  });
}

describe("a listener with several codecs", () => {
  for (const url of ["ws://127.0.0.1:0", "quic://127.0.0.1:0"]) {
    it(`refuses a client of none of them over ${url.split(":")[0]}`, async (t) => {
      const listener = await listening(t, url, { codecs: [frameCodec, jsonCodec] });
      await assert.rejects(connected(listener, [messagePackCodec]), ProtocolMismatchError);
    });
  }

  it("publishes one message to connections of each", async (t) => {
    for (const url of ["ws://127.0.0.1:0", "quic://127.0.0.1:0"]) {
      const listener = await listening(t, url);
      const clients = await Promise.all(codecs.map((codec) => connected(listener, [codec])));
      for (const client of clients) {
        client.send(utf8.encode("open"));
        await next(client);
      }
      assert.equal(publish(listener.connections(), utf8.encode("news")), 3);
      for (const client of clients) assert.equal(new TextDecoder().decode(await next(client)), "news");
      await Promise.all(clients.map((client) => client.close()));
    }
  });

  it("takes no protocols beside them, and no two of one name", async () => {
    const listens = (options: ListenOptions) => listen("ws://127.0.0.1:0", {}, options);
    await assert.rejects(listens({ codecs, protocols: ["x"] }), InvalidArgumentError);
    await assert.rejects(listens({ codecs: [jsonCodec, { ...jsonCodec }] }), /two of the name "json"/);
    await assert.rejects(listens({ codecs: [] }), /codecs/);
    await assert.rejects(listens({ codecs: [{ ...jsonCodec, name: "JSON!" }] }), /codecs/);
    await assert.rejects(
      listens({ codecs: [{ ...jsonCodec, maxUnitBytes: () => Number.NaN }] }),
      /largest unit/,
    );
  });
});

/** A client that is not ours, and what the listener said of its end. */
async function stranger(
  t: TestContext,
  subprotocol: string,
  options: ListenOptions = {},
): Promise<{ socket: WebSocket; ended: Promise<CloseInfo>; messages: Uint8Array[] }> {
  const ended = deferred<CloseInfo>();
  const messages: Uint8Array[] = [];
  const behaviour = {
    message(connection: Connection, message: Uint8Array) {
      messages.push(message.slice());
      connection.send(message);
    },
    close: (_connection: Connection, info: CloseInfo) => ended.resolve(info),
  };
  const listener = await listen("ws://127.0.0.1:0", behaviour, { codecs, ...options });
  t.after(() => listener.close({ graceful: false }));
  const socket = new WebSocket(listener.urls[0]!, subprotocol);
  t.after(() => socket.terminate());
  await once(socket, "open");
  return { socket, ended: ended.promise, messages };
}

describe("lines of JSON", () => {
  it("are text messages that people can read and write", async (t) => {
    const { socket } = await stranger(t, "millrace.json.v1");
    socket.send('{"type":"message","text":"hello"}');
    const [data, binary] = await once(socket, "message");
    assert.deepEqual([String(data), binary], ['{"type":"message","text":"hello"}\n', false]);
  });

  it("carry what is not text as base64", async (t) => {
    const { socket } = await stranger(t, "millrace.json.v1");
    socket.send('{"type":"message","base64":"/wA="}\n');
    assert.equal(String((await once(socket, "message"))[0]), '{"type":"message","base64":"/wA="}\n');
  });

  const hostile = {
    "is no JSON": "{",
    "is no object": "null",
    "has no type": '{"text":"a"}',
    "has a type that nobody knows": '{"type":"shout"}',
    "has a number out of range": '{"type":"message","channel":65536}',
    "has base64 that is none": '{"type":"message","base64":"%%%%"}',
    "has two payloads": '{"type":"message","text":"a","base64":"AA=="}',
    "has metadata that is none": '{"type":"message","meta":{"a":1}}',
    "has more values than a frame": `{"type":"message","more":[${"[],".repeat(4_096)}[]]}`,
    "ends inside a string": '{"type":"message","text":"a\\"',
    "is nested deep": `{"type":"message","text":${"[".repeat(100_000)}${"]".repeat(100_000)}}`,
  };
  for (const [what, line] of Object.entries(hostile)) {
    it(`end the connection where one ${what}`, async (t) => {
      const { socket, ended } = await stranger(t, "millrace.json.v1");
      socket.send(line);
      const info = await ended;
      assert.equal(info.code, CloseCode.frameMalformed);
      assert.ok(info.error instanceof FrameMalformedError);
    });
  }

  it("may have all that a frame may have, and what looks like more inside of strings", () => {
    const key = '{[,"\\'.repeat(2_000);
    const meta = Array.from({ length: 1_024 }, () => ({ key, value: Uint8Array.of(1) }));
    const payload = utf8.encode(key);
    const frame = { kind: 4, flags: 1, channel: 2, type: 3, seq: 4, ref: 5, payload, subject: key, meta };
    assert.deepEqual(contents(jsonCodec.decode(jsonCodec.encode(frame))), contents(frame));
  });

  it("are not taken on a connection of another codec", async (t) => {
    const { socket, ended } = await stranger(t, "millrace.v1");
    socket.send('{"type":"message"}');
    assert.equal((await ended).code, CloseCode.protocolViolation);
  });
});

describe("MessagePack", () => {
  const hostile: Readonly<Record<string, readonly number[]>> = {
    "an array of four billion": [0xdd, 0xff, 0xff, 0xff, 0xff],
    "a map of four billion": [0xdf, 0xff, 0xff, 0xff, 0xff],
    "a bin of four gigabytes": [0xc6, 0xff, 0xff, 0xff, 0xff],
    "arrays in arrays": new Array(100_000).fill(0x91),
    "an array of as many nils as there are bytes": [0xdd, 0, 1, 0, 0, ...new Array(65_536).fill(0xc0)],
    "a map": [0x81, 0xa1, 0x61, 0x00],
    "a string that is not UTF-8": [0x91, 0xa1, 0xff],
    "an extension": [0xd4, 0x01, 0x00],
    "a number with bytes behind it": [0x01, 0x02],
    nothing: [],
  };
  for (const [what, bytes] of Object.entries(hostile)) {
    it(`that is ${what} is refused before it is decoded`, () => {
      assert.throws(() => checkMessagePack(Uint8Array.from(bytes), [9, 1024, 2]), FrameMalformedError);
      assert.throws(() => messagePackCodec.decode(Uint8Array.from(bytes)), FrameMalformedError);
    });
  }

  it("is read from shared memory as from any other, whatever its strings are", () => {
    const frame = { kind: 4, flags: 0, channel: 0, type: 0, seq: 0, ref: 0, payload: Uint8Array.of(1) };
    for (const subject of ["room", "räume", "\u{1f600}", "x".repeat(70_000)]) {
      const unit = messagePackCodec.encode({
        ...frame,
        subject,
        meta: [{ key: subject, value: frame.payload }],
      });
      const shared = new Uint8Array(new SharedArrayBuffer(unit.length));
      shared.set(unit);
      assert.deepEqual(messagePackCodec.decode(shared), messagePackCodec.decode(unit));
      shared.set([0xff], unit.length - 4); // the last byte of the key
      assert.throws(() => messagePackCodec.decode(shared), FrameMalformedError);
    }
  });

  it("is read over QUIC, too, where frames lie in shared memory", async (t) => {
    const withSubject: Codec = {
      ...messagePackCodec,
      encode: (frame) => messagePackCodec.encode({ ...frame, subject: "räume" }),
    };
    const client = await connected(await listening(t, "quic://127.0.0.1:0"), [withSubject]);
    client.send(Uint8Array.of(7));
    assert.deepEqual(new Uint8Array(await next(client)), Uint8Array.of(7));
  });

  it("that is no frame ends the connection", async (t) => {
    const { socket, ended } = await stranger(t, "millrace.msgpack.v1");
    socket.send(Uint8Array.of(0x93, 1, 2, 3));
    assert.equal((await ended).code, CloseCode.frameMalformed);
  });
});

describe("units of a codec in frames", () => {
  it("leave other frames what they are, such as pings over TCP", async (t) => {
    const listener = await serve(t, echo, { codecs: [messagePackCodec] });
    const peer = await RawPeer.dial(t, listener);
    peer.write("MILLRACE millrace-msgpack/1\n");
    await until("it is greeted", () => peer.text.includes("\n"));
    const greeted = peer.received.length;
    peer.write(frame("", Kind.ping));
    await until("it is answered", () => framesIn(peer.received.subarray(greeted)).length > 0);
    assert.deepEqual(
      framesIn(peer.received.subarray(greeted)).map(({ kind }) => kind),
      [Kind.pong],
    );
  });
});

describe("a codec of one's own", () => {
  const failures = { "an error": new RangeError("not mine"), "no error at all": "not mine" };
  for (const [what, thrown] of Object.entries(failures)) {
    it(`that throws ${what} ends the connection, which is told of it as the cause`, async (t) => {
      const decode = () => {
        throw thrown;
      };
      const own: Codec = { ...jsonCodec, name: "own", decode };
      const { socket, ended } = await stranger(t, "millrace.own.v1", { codecs: [own] });
      socket.send("{}");
      const { code, error } = await ended;
      assert.equal(code, CloseCode.frameMalformed);
      assert.ok(error instanceof FrameMalformedError);
      assert.equal(error.cause, thrown);
    });
  }

  it("is given no shared memory, on any transport", async (t) => {
    for (const url of ["quic://127.0.0.1:0", "ws://127.0.0.1:0"]) {
      const given: unknown[] = [];
      const decode = (unit: Uint8Array) => {
        given.push(unit.buffer);
        return jsonCodec.decode(unit);
      };
      const own: Codec = { ...jsonCodec, name: "own", decode };
      const client = await connected(await listening(t, url, { codecs: [own] }), [own]);
      client.send(Uint8Array.of(7));
      await next(client);
      assert.equal(given.length, 2); // the listener's, and the client's
      for (const buffer of given) assert.ok(buffer instanceof ArrayBuffer);
    }
  });

  it("may throw FrameMalformedError itself, which is passed on as it is", async (t) => {
    const thrown = new FrameMalformedError("shorter than its head");
    const decode = () => {
      throw thrown;
    };
    const own: Codec = { ...jsonCodec, name: "own", decode };
    const { socket, ended } = await stranger(t, "millrace.own.v1", { codecs: [own] });
    socket.send("{}");
    assert.equal((await ended).error, thrown);
  });
});

describe("the documented codec of one's own", () => {
  it("runs as it stands in docs/codecs.md, and is not longer than 30 lines", async (t) => {
    const root = join(import.meta.dirname, "../../..");
    const page = readFileSync(join(root, "docs/codecs.md"), "utf8");
    const program = /own\n[\s\S]*?```js\n([\s\S]*?)```/.exec(page)![1]!;
    assert.ok(program.split("\n").length <= 36, "with its imports");
    const folder = mkdtempSync(join(root, "out", "codec-"));
    t.after(() => rmSync(folder, { recursive: true }));
    writeFileSync(join(folder, "example.mjs"), program);
    const { stdout } = await promisify(execFile)(process.execPath, [join(folder, "example.mjs")]);
    assert.equal(stdout, "tiny hello\n");
  });
});
