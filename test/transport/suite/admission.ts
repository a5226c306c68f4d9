import assert from "node:assert/strict";
import { describe, type TestContext, test } from "node:test";
import type { SocketAddress } from "millrace";
import { InvalidArgumentError, type MillraceError, ResourceExhaustedError } from "#internal/errors.js";
import { collectUncaught } from "../../kit/uncaught.js";
import { until } from "../../kit/until.js";
import { echo, type Listener, type SuiteKit } from "./kit.js";

/** Who may connect. */
export function describeAdmission({ transport, serve, dial, assertEchoes }: SuiteKit): void {
  /** How a refusal looks from outside: some transports say no before the client believes to be connected, QUIC after. */
  async function refusal(t: TestContext, listener: Listener): Promise<MillraceError | undefined> {
    try {
      const connection = await dial(t, listener);
      return (await connection.closed).error;
    } catch (error) {
      return error as MillraceError;
    }
  }

  describe("admission", () => {
    test("asks for each peer by its address, and who is refused is never reported", async (t) => {
      const asked: SocketAddress[] = [];
      let opened = 0;
      let closed = 0;
      let isFull = true;
      const listener = await serve(
        t,
        { ...echo, open: () => void opened++, close: () => void closed++ },
        {
          admit(remoteAddress) {
            asked.push(remoteAddress);
            return !isFull;
          },
        },
      );
      const error = await refusal(t, listener);
      assert.ok(error !== undefined);
      if (!/^(tcp|tls|wss):/.test(transport.url))
        assert.ok(error instanceof ResourceExhaustedError, `${error}`);
      assert.deepEqual([opened, closed, listener.connectionCount], [0, 0, 0]);
      isFull = false;
      await assertEchoes(t, listener);
      await until("its end is told", () => closed === 1);
      assert.equal(opened, 1);
      assert.equal(asked.length, 2);
      for (const { address, family, port } of asked) {
        assert.deepEqual([address, family], ["127.0.0.1", "ipv4"]);
        assert.equal(port > 0, transport.tellsClientPort);
      }
    });

    test("that throws, or does not answer at once, refuses, and nobody else notices", async (t) => {
      const caught = collectUncaught(t);
      const answers = [
        () => {
          throw new Error("a fault of the application");
        },
        () => Promise.resolve(true) as never,
        () => true,
      ];
      const listener = await serve(t, echo, { admit: () => answers.shift()!() });
      assert.ok((await refusal(t, listener)) !== undefined);
      assert.ok((await refusal(t, listener)) !== undefined);
      await assertEchoes(t, listener);
      assert.equal(answers.length, 0);
      assert.match(String(caught[0]), /a fault of the application/);
      assert.ok(caught[1] instanceof InvalidArgumentError);
      assert.equal(caught.length, 2);
    });

    test("tells of those who were let in either as connections or as abandoned", async (t) => {
      let admitted = 0;
      let opened = 0;
      let abandoned = 0;
      const listener = await serve(
        t,
        { open: () => void opened++ },
        {
          protocols: ["spoken.v1"],
          admit: () => ++admitted > 0,
          abandoned: () => void abandoned++,
        },
      );
      await assert.rejects(dial(t, listener, undefined, { protocols: ["foreign.v1"] }));
      await until("who speaks another protocol is forgotten", () => abandoned === admitted);
      const connection = await dial(t, listener, undefined, { protocols: ["spoken.v1"] });
      await until("one is open", () => opened === 1);
      await connection.close();
      await until("it is gone", () => listener.connectionCount === 0);
      assert.equal(admitted, opened + abandoned);
    });
  });
}
