import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { publish } from "millrace";
import { deferred } from "../../kit/deferred.js";
import { until } from "../../kit/until.js";
import { MiB, type SuiteKit } from "./kit.js";

/** One message to many connections. */
export function describePublishing({ serve, dial }: SuiteKit): void {
  describe("publishing", () => {
    test("reaches every open connection once, and leaves out those that are closed", async (t) => {
      const listener = await serve(t, { message: () => {} });
      const received = [0, 0, 0];
      const done = [deferred(), deferred()];
      const clients = [];
      for (let index = 0; index < 3; index++) {
        clients.push(
          await dial(t, listener, {
            message(_connection, bytes) {
              assert.equal(new TextDecoder().decode(bytes.slice()), "news");
              received[index]! += 1;
              done[index]?.resolve();
            },
          }),
        );
      }
      await until("three are open", () => listener.connectionCount === 3);
      await clients[2]!.close();
      await until("one has closed", () => listener.connectionCount === 2);
      const everybody = [...listener.connections()];
      assert.equal(publish(everybody, new TextEncoder().encode("news")), 2);
      await Promise.all(done.map(({ promise }) => promise));
      assert.deepEqual(received, [1, 1, 0]);
      assert.throws(() => publish(everybody, new Uint8Array(MiB + 1)), {
        code: "ERR_MILLRACE_FRAME_TOO_LARGE",
      });
    });
  });
}
