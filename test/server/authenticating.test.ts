import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { CloseCode } from "millrace";
import { Kind } from "#internal/frame/frame.js";
import { until } from "../kit/until.js";
import { sessionKit } from "./suite/kit.js";
import { RawClient } from "./suite/raw_client.js";

const kit = sessionKit({ url: "tcp://127.0.0.1:0" });

/** A client that is being authenticated, for ever, and what that is told of it. */
async function arriving(t: TestContext, authenticateTimeoutMs: number) {
  const signals: AbortSignal[] = [];
  const server = await kit.serve(
    t,
    {
      authenticate: (_hello, { signal }) => {
        signals.push(signal);
        return new Promise<object>(() => {});
      },
    },
    { authenticateTimeoutMs },
  );
  const peer = await RawClient.connect(t, kit.under, server);
  peer.say({ kind: Kind.Hello, type: 1 });
  await until("it is asked about", () => signals.length === 1);
  return { peer, signal: signals[0]! };
}

test("authenticate is told that the client is gone", async (t) => {
  const { peer, signal } = await arriving(t, 3_600_000);
  assert.equal(signal.aborted, false);
  peer.drop();
  await until("it is told", () => signal.aborted);
});

test("authenticate is told that the client has used up its time", async (t) => {
  const { peer, signal } = await arriving(t, 200);
  assert.equal((await peer.closed).code, CloseCode.unauthenticated);
  assert.equal(signal.aborted, true);
});
