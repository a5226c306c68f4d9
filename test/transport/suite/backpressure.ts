import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { deferred } from "../../kit/deferred.js";
import { type Connection, KiB, MiB, type SuiteKit, Writer } from "./kit.js";

/** Writers that are faster than readers. */
export function describeBackpressure({ transport, serve, dial }: SuiteKit): void {
  describe("backpressure", () => {
    test("send says sent, then blocked, then dropped, and drain fires when there is room", async (t) => {
      const highWaterMarkBytes = 256 * KiB;
      const opened = deferred<Connection>();
      let drained = deferred();
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
        const result = server.send(message);
        // It may drain and fill up again, before the peer's window is used up: the last drain counts.
        if (result === "blocked") drained = deferred();
        results.push(result);
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
      clearInterval(sampler); // from here on it is the garbage of 100 MB read that makes the process large
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
}
