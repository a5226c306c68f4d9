import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { deferred } from "../../kit/deferred.js";
import { receive, type SuiteKit } from "./kit.js";

/** Handlers that fail, wait, or keep something. */
export function describeHandlers({ serve, dial }: SuiteKit): void {
  describe("handlers", () => {
    test("that throw are told to error(), and nobody else notices", async (t) => {
      const caught = deferred<unknown>();
      const listener = await serve(t, {
        message(connection, bytes) {
          if (bytes.length === 3) throw new Error("a fault of the application");
          connection.send(bytes);
        },
        error: (_connection, cause) => caught.resolve(cause),
      });
      const bystander = await dial(t, listener);
      const connection = await dial(t, listener);
      connection.send(new Uint8Array(3));
      assert.match(String(await caught.promise), /a fault of the application/);
      connection.send(new Uint8Array(4));
      bystander.send(new Uint8Array(5));
      assert.equal((await receive(connection, 1))[0]!.length, 4);
      assert.equal((await receive(bystander, 1))[0]!.length, 5);
    });

    test("that reject are told to error() too", async (t) => {
      const caught = deferred<unknown>();
      const listener = await serve(t, {
        async message() {
          throw new Error("a late fault");
        },
        error: (_connection, cause) => caught.resolve(cause),
      });
      const connection = await dial(t, listener);
      connection.send(new Uint8Array(1));
      assert.match(String(await caught.promise), /a late fault/);
      assert.equal(connection.state, "open");
    });

    test("that are async own the bytes they are given", async (t) => {
      const count = 200;
      const done = deferred();
      let seen = 0;
      const listener = await serve(t, {
        async message(_connection, bytes) {
          const first = bytes[0];
          for (let turn = 0; turn < 5; turn++) await new Promise(setImmediate);
          assert.equal(bytes.length, 1000);
          assert.ok(bytes.every((byte) => byte === first));
          seen += 1;
          if (seen === count) done.resolve();
        },
      });
      const connection = await dial(t, listener);
      for (let index = 0; index < count; index++) connection.send(new Uint8Array(1000).fill(index));
      await done.promise;
    });

    test("keep their own data on each connection", async (t) => {
      const listener = await serve(t, {
        open: (connection) => {
          connection.data = 0;
        },
        message(connection) {
          const count = (connection.data as number) + 1;
          connection.data = count;
          connection.send(new Uint8Array(count));
        },
      });
      const [one, other] = [await dial(t, listener), await dial(t, listener)];
      one.send(new Uint8Array(1));
      one.send(new Uint8Array(1));
      other.send(new Uint8Array(1));
      const sizes = (messages: Uint8Array[]) => messages.map((message) => message.length);
      assert.deepEqual(sizes(await receive(one, 2)), [1, 2]);
      assert.deepEqual(sizes(await receive(other, 1)), [1]);
    });
  });
}
