import assert from "node:assert/strict";
import { describe, type TestContext, test } from "node:test";
import { deflateSync } from "node:zlib";
import { CloseCode } from "millrace";
import { deflate } from "millrace/compression";
import type { Server } from "millrace/server";
import { encodeHello } from "#internal/delivery/hello.js";
import { sessionVersion } from "#internal/delivery/terms.js";
import { CompressionCode } from "#internal/frame/compressed_payload.js";
import { encodeFrame, Kind } from "#internal/frame/frame.js";
import { hostileFrames, validFrames } from "../../corpus/frames.js";
import { at, sharedValue } from "../../corpus/layout.js";
import { seededRandom } from "../../kit/random.js";
import { until } from "../../kit/until.js";
import type { SessionKit } from "./kit.js";
import { hello, RawClient } from "./raw_client.js";

const MIB = 1024 * 1024;
const faults: ReadonlySet<number> = new Set([
  CloseCode.frameMalformed,
  CloseCode.frameTooLarge,
  CloseCode.protocolViolation,
]);

/** What is no frame, or only looks like one, costs its sender the connection, and nobody else anything. */
export function describeHostileBytes(kit: SessionKit): void {
  const dial = <Data>(t: TestContext, server: Server<Data>) => RawClient.connect(t, kit.under, server);

  async function serve(t: TestContext, options: Parameters<SessionKit["serve"]>[2] = {}) {
    const wrong: unknown[] = [];
    const server = await kit.serve(
      t,
      {
        requests: { well: () => "yes" },
        message: (_session, message) => wrong.push(message.payload.length),
        error: (_session, cause) => wrong.push(cause),
      },
      options,
    );
    const innocent = await kit.join(t, server, { clientId: "innocent" });
    const unharmed = async () => {
      assert.equal((await innocent.request("well")).status, "success");
      assert.deepEqual(wrong, [], "nothing of it reached the application");
    };
    await unharmed(); // its session has begun: the time for that may be cut now
    return { server, unharmed };
  }

  /** What bytes lead to, which may look like the beginning of something that is never ended. */
  async function saysTo(
    t: TestContext,
    server: Server,
    bytes: Uint8Array,
    begun: boolean,
  ): Promise<RawClient> {
    const peer = await dial(t, server);
    if (begun) await peer.begin();
    peer.sayBytes(bytes);
    return peer;
  }

  describe("bytes of strangers", () => {
    test("that a verifier refuses end their connection, before its session has begun and after", async (t) => {
      const { server, unharmed } = await serve(t);
      for (const begun of [false, true]) {
        await server.reload({ authenticateTimeoutMs: begun ? 60_000 : 300 });
        for (const [name, bytes] of Object.entries(hostileFrames)) {
          // Of a stream of bytes that is the beginning of a frame; of messages it is a bad one.
          if (begun && name.startsWith("size.")) continue;
          const peer = await saysTo(t, server, bytes, begun);
          if (bytes.length === 0) continue;
          const { code } = await peer.closed;
          const isLate = !begun && code === CloseCode.unauthenticated;
          assert.ok(faults.has(code) || isLate, `${name} ended with ${code}`);
        }
      }
      await unharmed();
    });

    test("that were frames before they were spoilt do nothing that is not theirs to do", async (t) => {
      const { server, unharmed } = await serve(t);
      await server.reload({ authenticateTimeoutMs: 300 });
      const random = seededRandom(20_260);
      const seeds = Object.values(validFrames).filter((frame) => frame.length < 400);
      const peers: RawClient[] = [];
      for (let i = 0; i < 60; i += 1) {
        const bytes = seeds[random(seeds.length)]!.slice();
        for (let changes = 1 + random(3); changes > 0; changes -= 1) {
          bytes[4 + random(bytes.length - 4)] = random(256);
        }
        peers.push(await saysTo(t, server, bytes, false));
      }
      await Promise.all(peers.map((peer) => peer.closed)); // at the latest when their time is over
      await unharmed();
      assert.equal(server.sessionCount, 1);
      await until("nothing is left of them", () => server.connectionCount === 1);
    });

    test("that announce 4 GiB are refused by that alone", async (t) => {
      const { server, unharmed } = await serve(t);
      const announced = new Uint8Array(64);
      new DataView(announced.buffer).setUint32(0, 0xffff_ffff, true);
      const before = process.memoryUsage().arrayBuffers;
      for (const begun of [false, true]) {
        const { code } = await (await saysTo(t, server, announced, begun)).closed;
        assert.ok(code === CloseCode.frameTooLarge || code === CloseCode.frameMalformed, `${code}`);
      }
      assert.ok(process.memoryUsage().arrayBuffers - before < 256 * MIB);
      await unharmed();
    });

    test("that are a hello of 1,024 values which are one cost no copies of it", async (t) => {
      const { server, unharmed } = await serve(t);
      const said = sharedValue(1024, 512 * 1024, "meta.k")
        .u8(at.header, Kind.Hello)
        .u32(at.header + 4, sessionVersion);
      const before = process.memoryUsage().arrayBuffers;
      const { code } = await (await saysTo(t, server, said.bytes, false)).closed;
      assert.equal(code, CloseCode.frameMalformed);
      assert.ok(process.memoryUsage().arrayBuffers - before < 64 * MIB);
      await unharmed();
    });

    test("that are a hello cut short anywhere begin nothing, and are let go in their time", async (t) => {
      const { server, unharmed } = await serve(t);
      await server.reload({ authenticateTimeoutMs: 200 });
      const said = encodeHello({
        ...{ version: sessionVersion, clientId: "half", token: new Uint8Array(3), resumption: undefined },
        ...{ meta: [], heartbeatMs: 15_000, windowBytes: MIB, maxMessageBytes: MIB },
      });
      const whole = encodeFrame(said, said.payload, said);
      const peers: RawClient[] = [];
      for (let length = 1; length < whole.length; length += 9) {
        peers.push(await saysTo(t, server, whole.subarray(0, length), false));
      }
      await Promise.all(peers.map((peer) => peer.closed));
      await until("nothing is left of them", () => server.connectionCount === 1);
      assert.deepEqual(server.sessionsOf("half"), []);
      await unharmed();
    });

    test("that are small and become large when they are decompressed stop at the limit", async (t) => {
      const compression = [deflate()];
      const { server, unharmed } = await serve(t, { maxMessageBytes: 65_536, compression });
      const zeros = deflateSync(new Uint8Array(32 * MIB));
      const saidSizes = [32 * MIB, 65_536, 10, 0xffff_ffff];
      for (const size of saidSizes) {
        const payload = new Uint8Array(4 + zeros.length);
        new DataView(payload.buffer).setUint32(0, size, true);
        payload.set(zeros, 4);
        assert.ok(payload.length < 65_536, "small enough to be looked into");
        const peer = await dial(t, server);
        await peer.begin(encodeHello({ ...hello, compressions: [Uint8Array.of(CompressionCode.deflate)] }));
        peer.say({ kind: Kind.Message, flags: CompressionCode.deflate, seq: 1, payload });
        const { code } = await peer.closed;
        const isTold = code === CloseCode.frameTooLarge || code === CloseCode.frameMalformed;
        assert.ok(isTold, `it says ${size} and ended with ${code}`);
      }
      await unharmed();
    });
  });
}
