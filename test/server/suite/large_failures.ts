import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { AbortedError } from "millrace";
import type { ClientSession } from "millrace/client";
import { type LargeMessage, sendLarge, serverReceivesLarge } from "millrace/large";
import { FailureCode, RequestFailure } from "millrace/server";
import { deferred } from "../../kit/deferred.js";
import { until } from "../../kit/until.js";
import type { SessionKit } from "./kit.js";

import { endless, failsBy, MIB, twoSides } from "./large_kit.js";

export function describeLargeFailures(kit: SessionKit): void {
  describe("large messages that do not come through", () => {
    test("are refused before any bytes flow: by who takes them, by their size, or where nobody does", async (t) => {
      const { ways, errors } = await twoSides(kit, t, {
        maxBytes: 10 * MIB,
        large: (_session, { subject, totalBytes }) => {
          if (subject === "secret") throw new RequestFailure("not you", FailureCode.forbidden);
          if (totalBytes === undefined) throw new RequestFailure("say how large it is", 1_411);
        },
      });
      for (const [, session] of ways) {
        const source = endless();
        const named = { totalBytes: 5 * MIB, subject: "secret" };
        await failsBy(sendLarge(session, source, named), FailureCode.forbidden, /not you/);
        await failsBy(sendLarge(session, source), 1_411, /say how large/);
        const large = { totalBytes: 10 * MIB + 1 };
        await failsBy(sendLarge(session, source, large), FailureCode.forbidden, /more than 10485760 bytes/);
        const ignored = { totalBytes: 5 * MIB };
        await failsBy(sendLarge(session, source, ignored), FailureCode.failed, /has not taken all/);
        assert.equal(source.given, 0);
      }
      assert.deepEqual(errors, []);
      const got: string[] = [];
      const server = await kit.serve(t, { message: (_session, message) => got.push(message.text()) });
      const client = await kit.join(t, server);
      await failsBy(sendLarge(client, endless()), FailureCode.unknownSubject, /receives no large messages/);
      await client.sendAcked("a word");
      assert.deepEqual(got, ["a word"], "nothing else has come");
    });

    test("end in the middle when either side says so, and the other is told why", async (t) => {
      let seen: LargeMessage | undefined;
      let wantsBytes = Number.POSITIVE_INFINITY;
      const outcomes: unknown[] = [];
      const { ways, errors } = await twoSides(kit, t, {
        large: async (_session, message) => {
          seen = message;
          try {
            for await (const _chunk of message) {
              if (message.bytesReceived > wantsBytes) message.cancel("that is enough", 1_001);
            }
          } catch (cause) {
            outcomes.push(cause);
            throw cause;
          }
        },
      });
      for (const [way, session] of ways) {
        wantsBytes = MIB;
        const source = endless();
        await failsBy(sendLarge(session, source), 1_001, /that is enough/);
        assert.ok(source.isStopped);
        await until("who took it knows, too", () => outcomes.length === 1);
        await failsBy(Promise.reject(outcomes.shift()), 1_001, /that is enough/);

        wantsBytes = Number.POSITIVE_INFINITY;
        const abort = new AbortController();
        const sent = sendLarge(session, endless(), {
          signal: abort.signal,
          onProgress: ({ bytesTaken }) => bytesTaken > MIB && abort.abort(),
        });
        await assert.rejects(sent, AbortedError);
        await until("who took it is told", () => outcomes.length === 1);
        await failsBy(Promise.reject(outcomes.shift()), FailureCode.failed, /given it up: .*signal/);
        assert.equal(seen?.signal.aborted, true, way);

        const broken = (function* () {
          yield new Uint8Array(2 * MIB);
          throw new RangeError("the disk is gone");
        })();
        await assert.rejects(sendLarge(session, broken), RangeError);
        await until("who took it is told of that", () => outcomes.length === 1);
        await failsBy(Promise.reject(outcomes.shift()), FailureCode.failed, /a fault of the sender/);
      }
      assert.deepEqual(errors, []);
    });

    test("fail on both sides when their session ends", async (t) => {
      for (const from of [0, 1]) {
        const outcomes: unknown[] = [];
        let bytes = 0;
        const { ways, client, errors } = await twoSides(kit, t, {
          large: async (_session, message) => {
            try {
              for await (const chunk of message) bytes += chunk.length;
            } catch (cause) {
              outcomes.push(cause);
              throw cause;
            }
          },
        });
        const sent = failsBy(sendLarge(ways[from]![1], endless()), FailureCode.lost, /ended, or was lost/);
        await until("it is on its way", () => bytes > MIB);
        await client.close();
        await sent;
        await until("who took it is told", () => outcomes.length === 1);
        await failsBy(Promise.reject(outcomes[0]), FailureCode.lost, /session has ended/);
        assert.deepEqual(errors, []);
      }
    });

    test("are so many at a time, of one session and of all; the others go on", async (t) => {
      const gate = deferred();
      const got: number[] = [];
      const { server, client, errors } = await twoSides(kit, t, {
        maxTransfers: 3,
        maxTransfersPerSession: 2,
        large: async (_session, message) => {
          let bytes = 0;
          for await (const chunk of message) {
            await gate.promise;
            bytes += chunk.length;
          }
          got.push(bytes);
        },
      });
      const second = await kit.join(t, server);
      const bytes = new Uint8Array(MIB);
      let begun = 0;
      const send = (session: ClientSession) => {
        const sent = sendLarge(session, bytes, { onProgress: () => {} });
        begun += 1;
        return sent;
      };
      const sent = [send(client), send(client)];
      await failsBy(send(client), FailureCode.overloaded, /as many/);
      sent.push(send(second));
      await failsBy(send(second), FailureCode.overloaded, /as many/);
      assert.equal(begun, 5);
      gate.resolve();
      await Promise.all(sent);
      assert.deepEqual(got, [MIB, MIB, MIB]);
      await send(client);
      assert.deepEqual(errors, []);
    });

    test("are not begun where middleware lets them pass when their session is over", async (t) => {
      const [held, closed, passed, gate] = [deferred(), deferred(), deferred(), deferred()];
      let begun = 0;
      const server = await kit.serve(
        t,
        serverReceivesLarge(
          { close: () => closed.resolve() },
          {
            large: () => {
              begun += 1;
            },
          },
        ),
        {
          middleware: [
            {
              name: "slow",
              incoming: async (_session, _incoming, next) => {
                held.resolve();
                await gate.promise;
                try {
                  return await next();
                } finally {
                  passed.resolve();
                }
              },
            },
          ],
        },
      );
      const client = await kit.join(t, server);
      const sent = assert.rejects(sendLarge(client, new Uint8Array(10)));
      await held.promise;
      await client.close();
      await Promise.all([sent, closed.promise]);
      gate.resolve();
      await passed.promise;
      assert.equal(begun, 0);
    });
  });
}
