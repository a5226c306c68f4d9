import assert from "node:assert/strict";
import { test } from "node:test";
import { u32 } from "#internal/delivery/meta.js";
import { Kind } from "#internal/frame/frame.js";
import { until } from "../kit/until.js";
import { sessionKit } from "./suite/kit.js";
import { RawClient } from "./suite/raw_client.js";

const kit = sessionKit({ url: "tcp://127.0.0.1:0" });

test("whatever a client sends is a sign of its life, though it answers no ping and sends none", async (t) => {
  const server = await kit.serve(t, {}, { heartbeat: { intervalMs: 1_000, timeoutMs: 1_000 } });
  const peer = await RawClient.connect(t, kit.under, server);
  peer.isMute = true;
  await peer.begin({ meta: [{ key: "heartbeat", value: u32(1_000, "heartbeat") }] });
  let seq = 0;
  const talking = setInterval(() => {
    seq += 1;
    peer.say({ kind: Kind.Message, seq });
  }, 100);
  t.after(() => clearInterval(talking));
  const beganAt = performance.now();
  await until("it has talked for twice the time", () => performance.now() - beganAt > 2_000);
  assert.equal(server.counters.heartbeatTimeouts, 0);
  clearInterval(talking);
  await peer.closed;
  assert.equal(server.counters.heartbeatTimeouts, 1);
});
