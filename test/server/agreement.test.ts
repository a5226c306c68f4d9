import assert from "node:assert/strict";
import { test } from "node:test";
import { ProtocolViolationError } from "millrace";
import type { ServerSession } from "#internal/server/server_session.js";
import { until } from "../kit/until.js";
import { sessionKit } from "./suite/kit.js";

const kit = sessionKit({ url: "tcp://127.0.0.1:0" });

test("a session ends for its client where the server says that it has what was never sent", async (t) => {
  const server = await kit.serve(t, {});
  const client = await kit.join(t, server);
  await until("it has begun", () => server.sessionCount === 1);
  const { inbound } = server.session(client.id) as ServerSession<unknown>;
  Object.assign(inbound, { cursors: () => new Map([[0, 1_000]]) });
  client.abandon();
  await until("it is detached", () => client.state === "disconnected");
  await assert.rejects(client.switchTo(server.urls[0]!), ProtocolViolationError);
  assert.equal((await client.closed).by, "local");
  assert.equal(client.state, "failed");
});
