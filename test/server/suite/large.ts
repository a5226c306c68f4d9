import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { describe, test } from "node:test";
import { AbortedError, FrameTooLargeError, InvalidArgumentError } from "millrace";
import { type LargeMessage, type LargeSession, sendLarge } from "millrace/large";
import { FailureCode, RequestFailure, type Store } from "millrace/server";
import { deferred } from "../../kit/deferred.js";
import { until } from "../../kit/until.js";
import type { SessionKit } from "./kit.js";

import { endless, failsBy, KIB, MIB, twoSides } from "./large_kit.js";

export function describeLarge(kit: SessionKit): void {
  describe("large messages", () => {
    test("come whole, both ways, with what is said of them, and tell how far they are", async (t) => {
      const got: [LargeMessage, Uint8Array][] = [];
      const { ways } = await twoSides(kit, t, {
        large: async (_session, message) => got.push([message, await message.toBytes()]),
      });
      const bytes = randomBytes(3 * MIB + 1);
      for (const [way, session] of ways) {
        const progress: number[] = [];
        const sent = await sendLarge(session, bytes, {
          subject: "film",
          about: { name: "film.mp4" },
          onProgress: ({ bytesTaken, totalBytes }) => {
            assert.equal(totalBytes, bytes.length);
            progress.push(bytesTaken);
          },
        });
        assert.deepEqual(sent, { bytes: bytes.length }, way);
        assert.equal(progress.at(-1), bytes.length);
        assert.deepEqual(
          progress,
          [...new Set(progress)].sort((a, b) => a - b),
          "it only grows",
        );
        assert.ok(progress.length >= 48, "in pieces");
        const [message, received] = got.shift()!;
        assert.equal(bytes.compare(received), 0);
        assert.deepEqual(
          [message.subject, message.about, message.totalBytes, message.bytesReceived],
          ["film", { name: "film.mp4" }, bytes.length, bytes.length],
        );
      }
    });

    test("are what send refuses by its size: its error names the function", async (t) => {
      const { client, session } = await twoSides(kit, t, { large: () => {} });
      for (const side of [client, session]) {
        assert.equal(side.maxPayloadBytes, MIB);
        for (const send of [
          () => side.send(new Uint8Array(2 * MIB)),
          () => side.sendAcked(new Uint8Array(2 * MIB)),
          () => side.request("well", new Uint8Array(2 * MIB)),
        ]) {
          await assert.rejects(
            async () => send(),
            (error) => {
              assert.ok(error instanceof FrameTooLargeError);
              assert.match(error.message, /2097152 bytes; at most 1048576 .*sendLarge \(millrace\/large\)/);
              return true;
            },
          );
        }
      }
    });

    test("go on over another connection, again and again, and miss nothing", async (t) => {
      const got: Uint8Array[] = [];
      const { ways, goOn } = await twoSides(kit, t, {
        large: async (_session, message) => got.push(await message.toBytes()),
      });
      const bytes = randomBytes(4 * MIB);
      for (const [way, session] of ways) {
        let taken = 0;
        const sent = sendLarge(session, bytes, {
          onProgress: ({ bytesTaken }) => {
            taken = bytesTaken;
          },
        });
        for (let round = 1; round <= 5; round += 1) {
          await until(`round ${round} ${way}`, () => taken >= (round * bytes.length) / 8);
          await goOn();
        }
        assert.deepEqual(await sent, { bytes: bytes.length });
        assert.equal(bytes.compare(got.shift()!), 0, way);
      }
    });

    test("wait for who reads slowly, hold no more than their window, and nothing else waits for them", async (t) => {
      let gate = deferred();
      const windowBytes = 256 * KIB;
      const { ways, client, session } = await twoSides(kit, t, {
        windowBytes,
        large: async (_session, message) => {
          for await (const _chunk of message) await gate.promise;
        },
      });
      for (const [way, side] of ways) {
        gate = deferred();
        const source = endless();
        const abort = new AbortController();
        const sent = sendLarge(side, source, { signal: abort.signal });
        await until("the window is full", () => source.given >= windowBytes);
        for (let question = 0; question < 10; question += 1) {
          assert.equal((await client.request("well")).status, "success");
          assert.equal((await session.request("well")).status, "success");
          assert.equal(side.bytesQueued < 256 * KIB && client.send("a word"), "sent", way);
        }
        // What the reader has in its hands, what is on its way, and what waits for room.
        assert.ok(source.given <= windowBytes + 3 * 64 * KIB, `${source.given} ${way}`);
        abort.abort();
        await assert.rejects(sent, AbortedError);
        gate.resolve();
        assert.ok(source.isStopped);
      }
    });

    test("are done when their handler is, and fail with it, even behind the last byte", async (t) => {
      const release = deferred();
      let isSent = false;
      const { ways, errors } = await twoSides(kit, t, {
        large: async (_session, message) => {
          for await (const _chunk of message) if (message.subject === "a part") break;
          await release.promise;
          if (message.subject === "no room") throw new RequestFailure("the disk is full", 1_507);
          if (message.subject === "a fault") throw new RangeError("what is this?");
        },
      });
      const bytes = new Uint8Array(MIB + 1);
      const sent = sendLarge(ways[0]![1], bytes).then(() => {
        isSent = true;
      });
      assert.equal((await sendOnly(ways[1]![1], bytes)).at(-1), bytes.length, "all was read");
      assert.equal(isSent, false);
      release.resolve();
      await sent;
      for (const [, session] of ways) {
        await failsBy(sendLarge(session, bytes, { subject: "no room" }), 1_507, /disk is full/);
        await failsBy(sendLarge(session, bytes, { subject: "a part" }), FailureCode.failed, /no more of it/);
        assert.equal(errors.length, 0);
        await failsBy(sendLarge(session, bytes, { subject: "a fault" }), FailureCode.internal, /a fault/);
        assert.ok(errors.shift() instanceof RangeError);
      }
      async function sendOnly(session: LargeSession, source: Uint8Array): Promise<number[]> {
        const progress: number[] = [];
        void sendLarge(session, source, { onProgress: ({ bytesTaken }) => progress.push(bytesTaken) });
        await until("all is read", () => progress.at(-1) === source.length);
        return progress;
      }
    });

    test("are nothing to a store, whose messages are of the application", async (t) => {
      const stored: (string | undefined)[] = [];
      const store: Store = { durability: "process", append: ({ subject }) => void stored.push(subject) };
      const { client } = await twoSides(kit, t, { large: (_session, message) => message.toBytes() }, store);
      await sendLarge(client, new Uint8Array(MIB + 1));
      assert.equal(
        (await client.sendAcked("an order", { level: "stored", subject: "o" })).status,
        "acknowledged",
      );
      assert.deepEqual(stored, ["o"]);
    });

    test("are messages as all others where nobody receives them, to a store as well", async (t) => {
      const stored: (string | undefined)[] = [];
      const store: Store = { durability: "process", append: ({ subject }) => void stored.push(subject) };
      const server = await kit.serve(t, { message() {} }, { store });
      const client = await kit.join(t, server);
      const told = await client.sendAcked("an order", { level: "stored", subject: "millrace.large" });
      assert.equal(told.status, "acknowledged");
      assert.deepEqual(stored, ["millrace.large"]);
    });

    test("come from what has bytes to give, and from nothing else", async (t) => {
      const got: Buffer[] = [];
      const { client } = await twoSides(kit, t, {
        large: async (_session, message) => got.push(Buffer.from(await message.toBytes())),
      });
      const text = "a word and another, ".repeat(10_000);
      const bytes = Buffer.from(text);
      const reused = function* () {
        const buffer = new Uint8Array(1_000);
        for (let at = 0; at < bytes.length; at += 1_000) {
          buffer.set(bytes.subarray(at, at + 1_000));
          yield buffer;
        }
      };
      const sources = [
        text,
        bytes,
        new Blob([bytes]),
        new Blob([bytes]).stream(),
        [bytes.subarray(0, 10), new Uint8Array(0), bytes.subarray(10)],
        reused(),
        (async function* () {
          yield bytes;
        })(),
      ];
      for (const source of sources) {
        assert.deepEqual(await sendLarge(client, source), { bytes: bytes.length });
        assert.equal(got.shift()!.compare(bytes), 0);
      }
      assert.deepEqual(await sendLarge(client, ""), { bytes: 0 });
      assert.equal(got.shift()!.length, 0);
      for (const wrong of [undefined, 5, {}, ["text"], [5]]) {
        await assert.rejects(sendLarge(client, wrong as never), InvalidArgumentError);
      }
      for (const totalBytes of [bytes.length - 1, bytes.length + 1]) {
        await assert.rejects(sendLarge(client, bytes, { totalBytes }), /totalBytes/);
        await assert.rejects(sendLarge(client, [bytes], { totalBytes }), /totalBytes/);
      }
      assert.deepEqual(got, []);
    });
  });
}
