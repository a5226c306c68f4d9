import assert from "node:assert/strict";
import { describe, type TestContext, test } from "node:test";
import type { Transport } from "millrace";
import { createServer } from "millrace/server";
import { tcpTransport } from "#internal/tcp/transport.js";
import { until } from "../kit/until.js";
import { joined } from "./joined.js";

async function serve(t: TestContext, listen: string | readonly string[]) {
  const server = await createServer({ listen }, {});
  t.after(() => server.close({ graceful: false }));
  return server;
}

/** What a client was told by a server that ends, and how it has tried to come back. */
class Returning {
  told:
    | { readonly atMs: number; readonly target: string | undefined; readonly retryAfterMs: number }
    | undefined;
  firstTryAtMs: number | undefined = undefined;
  readonly transport: Transport = {
    ...tcpTransport,
    connect: (options, behaviour) => {
      if (this.told !== undefined) this.firstTryAtMs ??= performance.now();
      return tcpTransport.connect(options, behaviour);
    },
  };

  goAway(target: string | undefined, retryAfterMs: number | undefined): void {
    this.told = { atMs: performance.now(), target, retryAfterMs: retryAfterMs ?? 0 };
  }
}

describe("clients of a server that ends and names no other", () => {
  test("come back to it, each no sooner than it was told to, and not all at once", async (t) => {
    const count = 40;
    const server = await serve(t, "tcp://127.0.0.1:0");
    const clients = Array.from({ length: count }, () => new Returning());
    for (const client of clients) {
      await joined(
        t,
        server.urls,
        { transports: [client.transport], reconnect: { delayMs: 20, maxDelayMs: 100 } },
        { goAway: (_session, { target, retryAfterMs }) => client.goAway(target, retryAfterMs) },
      );
    }
    await until("all have begun", () => server.sessionCount === count);
    await server.close({ spreadMs: 400 });
    const next = await serve(t, server.urls);
    await until("all are back", () => next.sessionCount === count);
    const waits = clients.map(({ told, firstTryAtMs }) => {
      assert.equal(told!.target, undefined);
      const waitedMs = firstTryAtMs! - told!.atMs;
      assert.ok(waitedMs > told!.retryAfterMs - 2, `${waitedMs} of ${told!.retryAfterMs} ms`);
      return told!.retryAfterMs;
    });
    assert.ok(Math.max(...waits) - Math.min(...waits) > 100, `they were told ${waits.join(", ")} ms`);
  });

  test("try all of their own URLs, and take the one that answers", async (t) => {
    const server = await serve(t, ["tcp://127.0.0.1:0", "ws://127.0.0.1:0"]);
    const [tcp, ws] = server.urls as [string, string];
    const routes: string[] = [];
    await joined(
      t,
      [tcp, ws],
      { preferredTransport: "tcp", headStartMs: 60_000, reconnect: { delayMs: 5, maxDelayMs: 50 } },
      { connected: (_session, { url }) => routes.push(url) },
    );
    await until("it has begun", () => server.sessionCount === 1);
    await server.close({ spreadMs: 10 });
    const next = await serve(t, ws);
    await until("it is back", () => next.sessionCount === 1);
    assert.deepEqual(routes, [tcp, ws]);
  });
});
