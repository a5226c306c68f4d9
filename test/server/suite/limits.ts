import assert from "node:assert/strict";
import { describe, type TestContext, test } from "node:test";
import { CloseCode } from "millrace";
import { RejectCode, type Server } from "millrace/server";
import { readReject } from "#internal/delivery/reject.js";
import { Kind } from "#internal/frame/frame.js";
import { until } from "../../kit/until.js";
import { serveInnocent } from "./innocent.js";
import type { SessionKit } from "./kit.js";
import { RawClient } from "./raw_client.js";

/** Limits of which each thread has its own. */
export function describeLimits(kit: SessionKit): void {
  const dial = <Data>(t: TestContext, server: Server<Data>) => RawClient.connect(t, kit.under, server);
  const serve = (t: TestContext, options?: Parameters<SessionKit["serve"]>[2]) =>
    serveInnocent(kit, t, options);

  describe("limits of a thread", () => {
    test("hold how many connections may wait to be let in", async (t) => {
      const { server, unharmed } = await serve(t, { limits: { unauthenticated: 3 } });
      const waiting = [];
      for (let i = 0; i < 3; i += 1) waiting.push(await dial(t, server));
      await until("they wait", () => server.connectionCount === 4);
      // It is cut off at once; a transport whose own handshake has a last word of the server's does not open at all.
      await dial(t, server).then(
        (fourth) => fourth.closed,
        () => {},
      );
      assert.equal(server.counters.rejected, 1);
      await until("it is gone", () => server.connectionCount === 4);
      await unharmed();
      await waiting[0]!.begin();
      await until("it has begun", () => server.sessionCount === 2);
    });

    test("hold how many sessions there may be, in all and of an address, and say when to come again", async (t) => {
      for (const options of [{ maxSessions: 2 }, { limits: { sessionsPerAddress: 2 } }]) {
        const { server, unharmed } = await serve(t, options);
        const second = await dial(t, server);
        await second.begin();
        await until("it has begun", () => server.sessionCount === 2);
        const third = await dial(t, server);
        third.say({ kind: Kind.Hello, type: 1 });
        const { code, retryAfterMs } = readReject(await third.next());
        assert.equal(code, RejectCode.full);
        assert.ok(retryAfterMs! > 0);
        await unharmed();
        await server.close({ graceful: false });
      }
    });

    test("slots of sessions that are refused at the last moment are free again", async (t) => {
      const { server } = await serve(t, { maxSessions: 4, limits: { sessionsPerAddress: 2 } });
      for (let round = 0; round < 4; round += 1) {
        const [one, two] = await Promise.all([dial(t, server), dial(t, server)]);
        for (const peer of [one!, two!]) {
          peer.say({ kind: Kind.Hello, type: 1 });
          await peer.next();
        }
        one!.say({ kind: Kind.Commit });
        await until("one has begun", () => server.sessionCount === 2);
        two!.say({ kind: Kind.Commit });
        assert.equal((await two!.closed).code, CloseCode.exhausted);
        const [begun] = server.sessions({ where: ({ clientId }) => clientId !== "innocent" }).sessions;
        begun!.close();
        await until("it has ended", () => server.sessionCount === 1);
      }
    });
  });
}
