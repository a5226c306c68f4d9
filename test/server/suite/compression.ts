import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { describe, type TestContext, test } from "node:test";
import { deflateSync } from "node:zlib";
import { CloseCode, type FrameContents } from "millrace";
import { brotli, type Compression, deflate } from "millrace/compression";
import type { Server, ServerBehaviour, Session } from "millrace/server";
import { encodeHello } from "#internal/delivery/hello.js";
import { readWelcome } from "#internal/delivery/welcome.js";
import { batchFlag } from "#internal/frame/batch.js";
import { CompressionCode } from "#internal/frame/compressed_payload.js";
import { compressPayload, decompressPayload } from "#internal/frame/compression.js";
import { Kind } from "#internal/frame/frame.js";
import { deferred } from "../../kit/deferred.js";
import { until } from "../../kit/until.js";
import type { SessionKit } from "./kit.js";
import { hello, RawClient } from "./raw_client.js";

const MIB = 1024 * 1024;
/** As deflate without a dictionary is known. */
const offered = [Uint8Array.of(CompressionCode.deflate)];
const greeting = encodeHello({ ...hello, compressions: offered });

/** As an application has them: much of it is the same in each. */
function records(count: number): string {
  const all = Array.from({ length: count }, (_, id) => ({
    id,
    from: `user-${id % 7}`,
    text: "good morning",
  }));
  return JSON.stringify(all);
}

/** What is compressed on its way, and comes as it was. */
export function describeCompression(kit: SessionKit): void {
  const ours = kit.under.deflate ?? deflate;
  const dial = <Data>(t: TestContext, server: Server<Data>) => RawClient.connect(t, kit.under, server);

  /** A server that compresses, and one client of it that says what it wants. */
  async function begun<Data>(t: TestContext, behaviour: ServerBehaviour<Data>, first = greeting) {
    const server = await kit.serve(t, behaviour, { compression: [deflate({ thresholdBytes: 100 })] });
    const peer = await dial(t, server);
    const welcome = readWelcome(await peer.begin(first));
    return { server, peer, welcome };
  }

  const plainOf = ({ flags, payload }: FrameContents): string =>
    Buffer.from(flags === 0 ? payload : decompressPayload(payload, flags, MIB)).toString();

  describe("compression", () => {
    test("makes all that the application says smaller on its way, both ways", async (t) => {
      const text = records(100);
      const atServer: string[] = [];
      const atClient: string[] = [];
      const server = await kit.serve(
        t,
        {
          message: (session, message) => {
            atServer.push(message.text());
            session.send(message.payload, { subject: "back", meta: [{ key: "k", value: Uint8Array.of(1) }] });
          },
          requests: { echo: (_session, request) => request.text() },
          subscribe: () => true,
          publish: () => true,
        },
        { compression: [deflate()] },
      );
      const client = await kit.join(
        t,
        server,
        { clientId: "small", compression: [ours()] },
        {
          message: (_session, message) => {
            assert.deepEqual([message.subject, message.meta[0]?.key], ["back", "k"]);
            atClient.push(message.text());
          },
          publication: (_session, publication) => atClient.push(publication.text()),
        },
      );
      client.send(text);
      client.send("short");
      const reply = await client.request("echo", text);
      assert.equal(reply.status === "success" && Buffer.from(reply.payload).toString(), text);
      await client.subscribe("room");
      await client.publish("room", text);
      await until("all have come", () => atClient.length === 3);
      assert.deepEqual(atServer, [text, "short"]);
      assert.deepEqual(atClient.sort(), [text, text, "short"].sort());
      const { name, hasDictionary, sent, received } = client.compression!;
      assert.deepEqual([name, hasDictionary], ["deflate", false]);
      assert.deepEqual([sent.messages, received.messages], [3, 3], "but for what is short");
      for (const { bytes, plainBytes } of [sent, received]) {
        assert.equal(plainBytes, 3 * text.length);
        assert.ok(bytes * 4 < plainBytes, `${bytes} of ${plainBytes}`);
      }
      const { compression } = server.sessionsOf("small")[0]!.info;
      assert.deepEqual(compression?.received, sent);
    });

    test("is left where one side has none, or another one", async (t) => {
      const pairs: readonly (readonly [readonly Compression[], readonly Compression[]])[] = [
        [[deflate()], []],
        [[], [ours()]],
        [[brotli()], [ours()]],
      ];
      for (const [atServer, atClient] of pairs) {
        const server = await kit.serve(
          t,
          { requests: { echo: (_session, request) => request.text() } },
          { compression: atServer },
        );
        const client = await kit.join(t, server, { clientId: "plain", compression: atClient });
        const text = records(100);
        const reply = await client.request("echo", text);
        assert.equal(reply.status === "success" && Buffer.from(reply.payload).toString(), text);
        assert.equal(client.compression, undefined);
        assert.equal(server.sessionsOf("plain")[0]!.info.compression, undefined);
      }
    });

    test("is of what is large enough, and becomes smaller", async (t) => {
      const opened = deferred<Session>();
      const { peer } = await begun(t, { open: (session) => opened.resolve(session) });
      const session = await opened.promise;
      const said = ["a".repeat(99), "a".repeat(100), randomBytes(2_000), records(10)];
      for (const message of said) session.send(message);
      const frames: FrameContents[] = [];
      while (frames.length < said.length) frames.push(await peer.next());
      assert.deepEqual(
        frames.map(({ flags }) => flags),
        [0, CompressionCode.deflate, 0, CompressionCode.deflate],
      );
      assert.deepEqual(
        frames.map(plainOf),
        said.map((message) => Buffer.from(message).toString()),
      );
    });

    test("is agreed on anew by each connection, for what is sent again, too", async (t) => {
      const text = records(50);
      const opened = deferred<Session>();
      const { server, peer, welcome } = await begun(t, { open: (session) => opened.resolve(session) });
      const session = await opened.promise;
      session.send(text);
      assert.equal((await peer.next()).flags, CompressionCode.deflate);
      peer.drop();
      const { session: id, resume } = welcome;
      const resumption = { session: id, resume, cursors: new Map<number, number>() };
      const plain = await dial(t, server);
      const second = readWelcome(await plain.begin(encodeHello({ ...hello, resumption })));
      assert.deepEqual([second.resumed, second.compression], [true, undefined]);
      const again = await plain.next();
      assert.deepEqual([again.flags, again.seq, plainOf(again)], [0, 1, text]);
      plain.drop();
      const third = await dial(t, server);
      const taken = { ...resumption, resume: second.resume };
      await third.begin(encodeHello({ ...hello, compressions: offered, resumption: taken }));
      const last = await third.next();
      assert.deepEqual([last.flags, last.seq, plainOf(last)], [CompressionCode.deflate, 1, text]);
    });

    test("of a publication is the same bytes for all who compress so", async (t) => {
      const text = records(50);
      const { server, peer } = await begun(t, { subscribe: () => true });
      const peers = [peer, await dial(t, server), await dial(t, server)];
      await peers[1]!.begin(greeting);
      await peers[2]!.begin();
      for (const each of peers) {
        each.say({ kind: Kind.Subscribe, seq: 1, type: 1, subject: "room" });
        assert.equal((await each.next()).kind, Kind.Response);
      }
      server.publish("room", text);
      const frames = await Promise.all(peers.map((each) => each.next()));
      assert.deepEqual(
        frames.map(({ flags }) => flags),
        [CompressionCode.deflate, CompressionCode.deflate, 0],
      );
      assert.deepEqual(frames[0]!.payload, frames[1]!.payload);
      assert.deepEqual(frames.map(plainOf), [text, text, text]);
    });

    test("that was not agreed on, or is none, ends the connection, and nothing else", async (t) => {
      const got: unknown[] = [];
      const behaviour = {
        requests: { well: () => "yes" },
        message: (_session: unknown, message: { readonly payload: Uint8Array }) =>
          got.push(message.payload.length),
        error: (_session: unknown, cause: unknown) => got.push(cause),
      };
      const { server } = await begun(t, behaviour);
      const innocent = await kit.join(t, server, { compression: [ours()] });
      const compressed = compressPayload(Buffer.from(records(20)), CompressionCode.deflate);
      const brotlied = compressPayload(Buffer.from(records(20)), CompressionCode.brotli);
      const damaged = compressed.slice();
      damaged.fill(0xff, 8, 20);
      const bomb = new Uint8Array(deflateSync(new Uint8Array(8 * MIB)));
      const wrong: readonly [string, FrameContents, Partial<FrameContents>, number][] = [
        ["nothing agreed on", encodeHello(hello), { flags: 1, payload: compressed }, 2],
        ["another one", greeting, { flags: 2, payload: brotlied }, 2],
        ["one that nobody knows", greeting, { flags: 5, payload: compressed }, 2],
        ["one that says to be another", greeting, { flags: 1, payload: brotlied }, 4],
        ["a kind that has none", greeting, { kind: Kind.Subscribe, flags: 1, payload: compressed }, 2],
        ["a batch that is no message", greeting, { kind: Kind.Request, flags: batchFlag }, 2],
        ["a flag that nobody knows", greeting, { kind: Kind.Request, flags: 0x10 }, 2],
        ["damaged", greeting, { flags: 1, payload: damaged }, 4],
        ["cut short", greeting, { flags: 1, payload: compressed.subarray(0, -1) }, 4],
        ["without a size", greeting, { flags: 1, payload: new Uint8Array(3) }, 4],
        ["more than is taken", greeting, { flags: 1, payload: sized(2 * MIB, bomb) }, 3],
        ["more than it says", greeting, { flags: 1, payload: sized(1_000, bomb) }, 4],
      ];
      for (const [what, first, frame, code] of wrong) {
        const peer = await dial(t, server);
        await peer.begin(first);
        peer.say({ kind: Kind.Message, seq: 1, subject: "well", ...frame });
        assert.equal((await peer.closed).code, code, what);
      }
      assert.equal((await innocent.request("well", records(100))).status, "success");
      assert.deepEqual(got, []);
    });

    test("of what has come before is not undone again", async (t) => {
      const opened = deferred<Session>();
      const behaviour = { open: opened.resolve, requests: { well: () => "yes" } };
      const { peer } = await begun<unknown>(t, behaviour as ServerBehaviour<unknown>);
      const session = await opened.promise;
      const payload = compressPayload(Buffer.from(records(1_000)), CompressionCode.deflate);
      const message = { kind: Kind.Message, flags: CompressionCode.deflate, payload };
      peer.say({ ...message, seq: 1 });
      peer.say({ ...message, seq: 2 });
      for (let i = 0; i < 50; i += 1) peer.say({ ...message, seq: 1 + (i % 2) });
      peer.say({ kind: Kind.Request, seq: 3, type: 1, subject: "well" });
      assert.equal((await peer.next()).kind, Kind.Response);
      assert.equal(session.info.compression!.received.messages, 2);
      peer.say({ ...message, seq: 9 });
      assert.equal((await peer.closed).code, CloseCode.protocolViolation, "there is a hole before it");
    });

    test("that a hello offers and nobody knows is passed over, and too much of it refused", async (t) => {
      const unknown = [Uint8Array.of(6), new Uint8Array(9).fill(1)];
      const { server, welcome } = await begun(t, {}, encodeHello({ ...hello, compressions: unknown }));
      assert.equal(welcome.compression, undefined);
      for (const compressions of [Array.from({ length: 17 }, () => Uint8Array.of(1)), [new Uint8Array(2)]]) {
        const peer = await dial(t, server);
        peer.say(encodeHello({ ...hello, compressions }));
        assert.equal((await peer.closed).code, CloseCode.frameMalformed);
      }
    });

    // In several threads every handler is asynchronous, and a request waits behind the message.
    if (kit.threads > 1) return;
    test("of what no window counts is not undone where too much waits already", async (t) => {
      const opened = deferred<Session>();
      const held = deferred();
      let handled = 0;
      const behaviour: ServerBehaviour<unknown> = {
        open: (session) => opened.resolve(session as Session),
        requests: { well: () => "yes" },
        async message() {
          await held.promise;
          handled += 1;
        },
      };
      const { peer } = await begun(t, behaviour);
      const session = await opened.promise;
      const payload = compressPayload(new Uint8Array(MIB), CompressionCode.deflate);
      const say = () => peer.say({ kind: Kind.Message, flags: CompressionCode.deflate, payload });
      for (let i = 0; i < 100; i += 1) say();
      peer.say({ kind: Kind.Request, seq: 1, type: 1, subject: "well" });
      assert.equal((await peer.next()).kind, Kind.Response);
      const taken = session.info.compression!.received.messages;
      assert.ok(taken >= 2 && taken <= 3, `${taken}: one is handled, and a window's worth waits`);
      held.resolve();
      await until("what waited is handled", () => handled === taken);
      say();
      await until("there is room again", () => handled === taken + 1);
    });
  });
}

/** A payload that says to have been so large. */
function sized(bytes: number, compressed: Uint8Array): Uint8Array {
  const payload = new Uint8Array(4 + compressed.length);
  new DataView(payload.buffer).setUint32(0, bytes, true);
  payload.set(compressed, 4);
  return payload;
}
