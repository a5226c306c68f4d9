import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { describe, test } from "node:test";
import { CloseCode, type CloseInfo } from "millrace";
import { FrameTooLargeError } from "#internal/errors.js";
import { deferred } from "../../kit/deferred.js";
import { echo, KiB, MiB, receive, type SuiteKit } from "./kit.js";

/** Messages and their limits. */
export function describeMessages({ serve, dial, assertEchoes }: SuiteKit): void {
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
}
