import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { describe, type TestContext, test } from "node:test";
import type { ClientSession } from "millrace/client";
import { createServer } from "millrace/server";
import { deferred } from "../kit/deferred.js";
import { until } from "../kit/until.js";
import { authority, identity } from "../transport/suite/kit.js";
import { joined } from "./joined.js";

const many = 20;
const aborted = { code: "ERR_MILLRACE_ABORTED" };
const listeners = (signal: AbortSignal) => getEventListeners(signal, "abort").length;

/** A server that answers no request, and holds who wants to begin a session as long as the gate is closed. */
async function serve(t: TestContext, listen: string) {
  const gate = deferred();
  let asked = 0;
  const server = await createServer(
    { listen, tls: identity, authenticateTimeoutMs: 60_000 },
    {
      authenticate: async () => {
        asked += 1;
        await gate.promise;
        return {};
      },
      requests: { wait: () => new Promise<never>(() => {}) },
    },
  );
  t.after(() => server.close({ graceful: false }));
  return { url: server.urls[0]!, gate, asked: () => asked };
}

for (const scheme of ["tcp", "ws", "quic"]) {
  describe(`one signal for many, over ${scheme}`, () => {
    test("has one listener for all requests that wait, and gives all of them up", async (t) => {
      const { url, gate } = await serve(t, `${scheme}://127.0.0.1:0`);
      gate.resolve();
      const session = await joined(t, url);
      const controller = new AbortController();
      const { signal } = controller;
      const waiting = Array.from({ length: many }, () =>
        assert.rejects(session.request("wait", undefined, { signal }), aborted),
      );
      assert.equal(listeners(signal), 1);
      controller.abort();
      await Promise.all(waiting);
      assert.equal(listeners(signal), 0);
    });

    test("has one listener for all sessions that begin, and none when they have begun", async (t) => {
      const { url, gate, asked } = await serve(t, `${scheme}://127.0.0.1:0`);
      const { signal } = new AbortController();
      const tls = { ca: authority.certificate };
      const sessions: Promise<ClientSession>[] = Array.from({ length: many }, () =>
        joined(t, url, { tls, signal }),
      );
      await until("all have asked", () => asked() === many);
      assert.equal(listeners(signal), 1);
      gate.resolve();
      await Promise.all(sessions);
      assert.equal(listeners(signal), 0);
    });
  });
}
