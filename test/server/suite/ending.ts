import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Session, SessionEnd } from "millrace/server";
import { deferred } from "../../kit/deferred.js";
import { until } from "../../kit/until.js";
import type { SessionKit } from "./kit.js";

/** Of sessions of the test's own thread, whose handlers end them in the middle of what the server does. */
export function describeEnding(kit: SessionKit): void {
  describe("ending a session in a handler", () => {
    test("makes it vain to resume it, where that happens as what has waited goes out", async (t) => {
      const ends: SessionEnd[] = [];
      const opened = deferred<Session>();
      const server = await kit.serve(t, {
        open: (session) => opened.resolve(session),
        sent: (session) => session.close({ graceful: false }),
        close: (_session, end) => ends.push(end),
      });
      const client = await kit.join(t, server);
      const session = await opened.promise;
      client.abandon();
      await until("it is detached", () => session.state === "detached" && client.state === "disconnected");
      session.send("x", { messageId: "1" });
      await client.switchTo(server.urls[0]!).catch(() => {});
      await client.closed;
      await until("nothing is left", () => server.connectionCount === 0 && server.sessionCount === 0);
      assert.deepEqual([session.state, ends.length], ["closed", 1]);
    });
  });
}
