import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { describe, type TestContext, test } from "node:test";
import { CloseCode, type CloseInfo } from "millrace";
import { ConnectionClosedError } from "#internal/errors.js";
import { defaultCloseDeadlineMs } from "#internal/transport/close.js";
import { deferred } from "../../kit/deferred.js";
import { until } from "../../kit/until.js";
import { type Connection, echo, KiB, type Listener, MiB, type SuiteKit } from "./kit.js";

/** How connections end. */
export function describeClosing(kit: SuiteKit): void {
  const { serve, dial } = kit;
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

    test("ends at once when it is closed again, abruptly, while a peer does not read what is queued", async (t) => {
      const listener = await serve(t, { open: (connection) => void connection.pause() });
      const connection = await dial(t, listener, undefined, { highWaterMarkBytes: 64 * MiB });
      for (let count = 0; count < 32; count++) connection.send(new Uint8Array(MiB));
      await until("the peer takes no more", () => connection.bytesQueued > 0);
      void connection.close({ deadlineMs: 600_000 });
      assert.equal((await connection.close({ graceful: false, deadlineMs: 0 })).by, "local");
    });

    test("ends though the event loop stands still right behind an abrupt close", async (t) => {
      const connection = await dial(t, await serve(t, {}));
      await new Promise<void>((resolve) => {
        setTimeout(() => {
          void connection.close({ graceful: false, deadlineMs: 0 });
          const until = performance.now() + 5; // so that a deadline of none is over before the socket was looked at again
          while (performance.now() < until);
          resolve();
        }, 1);
      });
      assert.equal((await connection.closed).by, "local");
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
      assert.ok(performance.now() - begun < defaultCloseDeadlineMs);
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
      await assertEchoesNothing(kit, t, listener);
      assert.equal(closes, 200);
    });
  });
}

/** A round trip of the handshake only: what was to happen on the listener before has happened. */
async function assertEchoesNothing({ dial }: SuiteKit, t: TestContext, listener: Listener): Promise<void> {
  const connection = await dial(t, listener);
  assert.equal(connection.state, "open");
}
