import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { AddressInUseError } from "#internal/errors.js";
import { type Behaviour, echo, identity, receive, type SuiteKit } from "./kit.js";

/** What holds of listeners. */
export function describeListening({ transport, listen, serve, dial, assertEchoes }: SuiteKit): void {
  describe("listening", () => {
    test("on a port in use says so", async (t) => {
      const listener = await serve(t, echo);
      await assert.rejects(listen(listener.urls[0]!, echo, { tls: identity }), AddressInUseError);
      await assertEchoes(t, listener);
    });

    test("ends with close, which ends the connections and frees the port", async (t) => {
      const listener = await listen(transport.url, echo, { tls: identity });
      const connection = await dial(t, listener);
      await listener.close();
      assert.equal(listener.connectionCount, 0);
      assert.equal((await connection.closed).by, "peer");
      const again = await listen(listener.urls[0]!, echo, { tls: identity });
      t.after(() => again.close({ graceful: false }));
      await assertEchoes(t, again);
      await listener.close();
    });

    test("twice in one process keeps the two apart", async (t) => {
      const greet = (size: number): Behaviour => ({
        open: (connection) => void connection.send(new Uint8Array(size)),
      });
      const [one, other] = [await serve(t, greet(1)), await serve(t, greet(2))];
      const [toOne, toOther] = [await dial(t, one), await dial(t, other)];
      assert.equal((await receive(toOne, 1))[0]!.length, 1);
      assert.equal((await receive(toOther, 1))[0]!.length, 2);
      assert.equal(one.connectionCount, 1);
      await one.close();
      toOther.send(new Uint8Array(1));
      assert.equal(other.connectionCount, 1);
    });
  });
}
