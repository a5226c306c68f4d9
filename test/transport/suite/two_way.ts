import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { CloseCode } from "millrace";
import { ResourceExhaustedError } from "#internal/errors.js";
import { deferred } from "../../kit/deferred.js";
import { until } from "../../kit/until.js";
import { type Behaviour, type Connection, KiB, MiB, receive, type SuiteKit } from "./kit.js";

/** The README's: it reads slowly where its peer does. */
const patientEcho: Behaviour = {
  message(connection, bytes) {
    if (connection.send(bytes) !== "sent") connection.pause();
  },
  drain(connection) {
    connection.resume();
  },
};

function numbered(index: number, bytes: number): Uint8Array {
  const message = new Uint8Array(bytes);
  new DataView(message.buffer).setUint32(0, index, true);
  return message;
}

function numberOf(message: Uint8Array): number {
  return new DataView(message.buffer, message.byteOffset).getUint32(0, true);
}

/** Much on its way in both directions at the same time. */
export function describeTwoWay({ transport, serve, dial }: SuiteKit): void {
  describe("two ways at once", () => {
    for (const [outstanding, kib] of [
      [64, 16],
      [64, 64],
    ] as const) {
      test(`an echo of ${outstanding} × ${kib} KiB at a time loses nothing and stays open`, async (t) => {
        const count = 2_000;
        const listener = await serve(t, patientEcho);
        const client = await dial(t, listener, undefined, { highWaterMarkBytes: 8 * MiB });
        let sent = 0;
        const sendOne = () => assert.notEqual(client.send(numbered(sent++, kib * KiB)), "dropped");
        while (sent < outstanding) sendOne();
        let received = 0;
        for await (const message of client) {
          assert.equal(numberOf(message), received);
          assert.equal(message.length, kib * KiB);
          received += 1;
          if (sent < count) sendOne();
          if (received === count) break;
        }
        assert.equal(client.state, "open");
      });
    }

    /** A client that sends 32 MiB before it reads the first answer. */
    async function floodedEcho(t: Parameters<typeof serve>[0]) {
      const blocked = deferred<Connection>();
      const listener = await serve(t, {
        ...patientEcho,
        message(connection, bytes) {
          const result = connection.send(bytes);
          if (connection.state === "open")
            assert.notEqual(result, "dropped", "a paused connection has nothing to echo");
          if (result === "sent") return;
          assert.equal(connection.pause(), true);
          blocked.resolve(connection);
        },
      });
      const client = await dial(t, listener, undefined, { highWaterMarkBytes: 64 * MiB });
      client.pause();
      const count = 2_000;
      for (let index = 0; index < count; index++) client.send(numbered(index, 16 * KiB));
      return { client, count, server: await blocked.promise };
    }

    test("the end of a client that never reads reaches a server that holds it back", async (t) => {
      const { client, server } = await floodedEcho(t);
      await client.close({ graceful: false });
      await server.closed;
    });

    if (transport.serverPauses) {
      test("a client that reads its answers late gets all of them", async (t) => {
        const { client, count } = await floodedEcho(t);
        client.resume();
        const answers = await receive(client, count);
        assert.deepEqual(
          answers.map(numberOf),
          Array.from({ length: count }, (_, index) => index),
        );
      });
    } else {
      test("a client that reads its answers too late is told so, and what it got has no hole", async (t) => {
        const { client, server } = await floodedEcho(t);
        await until("the server gives up", () => server.state !== "open");
        client.resume();
        let next = 0;
        await assert.rejects(async () => {
          for await (const message of client) assert.equal(numberOf(message), next++);
        }, ResourceExhaustedError);
        assert.ok(next > 0);
        assert.equal((await client.closed).code, CloseCode.exhausted);
      });
    }
  });
}
