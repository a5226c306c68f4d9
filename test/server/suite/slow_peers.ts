import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { CloseCode } from "millrace";
import type { Session } from "millrace/server";
import { u32 } from "#internal/delivery/meta.js";
import { Kind } from "#internal/frame/frame.js";
import { deferred } from "../../kit/deferred.js";
import { until } from "../../kit/until.js";
import type { SessionKit } from "./kit.js";
import { RawClient } from "./raw_client.js";

const KIB = 1024;

/** Peers that take nothing, or only make work, and a server that stands still for a while. */
export function describeSlowPeers(kit: SessionKit): void {
  describe("peers that cost more than they should", () => {
    test("one that acknowledges nothing holds no more than its queue, and loses nothing of what was accepted", async (t) => {
      const opened = deferred<Session>();
      const limits = { queueBytes: 64 * KIB, highWaterMarkBytes: 16 * KIB, replayBytes: 32 * KIB };
      const server = await kit.serve(
        t,
        {
          open: (session) => {
            if (session.clientId === undefined) opened.resolve(session);
          },
          requests: { well: () => "yes" },
        },
        limits,
      );
      const innocent = await kit.join(t, server, { clientId: "innocent" });
      const peer = await RawClient.connect(t, kit.under, server);
      await peer.begin({ meta: [{ key: "window", value: u32(16 * KIB, "window") }] });
      const session = await opened.promise;
      let accepted = 0;
      for (let i = 0; i < 1_000; i += 1) {
        const bytes = new Uint8Array(KIB);
        new DataView(bytes.buffer).setUint32(0, accepted);
        if (session.send(bytes) === "dropped") break;
        accepted += 1;
      }
      const { bytesQueued, bytesUnacknowledged } = session.info;
      assert.ok(bytesUnacknowledged <= 17 * KIB, `${bytesUnacknowledged} bytes are on their way`);
      assert.ok(bytesQueued <= (64 + 17) * KIB, `${bytesQueued} bytes wait`);
      assert.ok(accepted < 100, "the rest was refused, and said so");
      assert.equal((await innocent.request("well")).status, "success");
      for (let i = 0; i < accepted; i += 1) {
        const { seq, payload } = await peer.next();
        assert.equal(new DataView(payload.buffer).getUint32(0), i);
        peer.say({ kind: Kind.Ack, ref: seq });
      }
      await until("nothing is kept", () => session.info.bytesUnacknowledged === 0);
      assert.equal(session.bytesQueued, 0);
    });

    test("one that takes nothing more is not left to wait for what has become of its message: it is closed", async (t) => {
      const opened = deferred<Session>();
      const limits = { queueBytes: 4 * KIB, highWaterMarkBytes: 2 * KIB, replayBytes: 4 * KIB };
      const server = await kit.serve(t, { open: (session) => opened.resolve(session) }, limits);
      const peer = await RawClient.connect(t, kit.under, server);
      await peer.begin({ meta: [{ key: "window", value: u32(1, "window") }] });
      const session = await opened.promise;
      while (session.send("") !== "dropped");
      peer.say({ kind: Kind.Message, seq: 1, meta: [{ key: "ack", value: u32(1, "ack") }] }); // nothing is stored here
      assert.equal((await peer.closed).code, CloseCode.exhausted);
    });

    test("a client that answers slowly is asked no more than its window holds, and answers all", async (t) => {
      const opened = deferred<Session>();
      const limits = { queueBytes: 16 * KIB, replayBytes: 64 * KIB };
      const server = await kit.serve(t, { open: (session) => opened.resolve(session) }, limits);
      const gate = deferred();
      let begun = 0;
      const slow = async () => {
        begun += 1;
        await gate.promise;
        return "done";
      };
      await kit.join(t, server, { windowBytes: 16 * KIB }, { request: slow });
      const session = await opened.promise;
      const replies: Promise<{ readonly status: string }>[] = [];
      // In parts, so that what is handed to handlers is acknowledged between them.
      for (let part = 0; part < 50; part += 1) {
        for (let i = 0; i < 5; i += 1) replies.push(session.request("slow", new Uint8Array(KIB)));
        await until("so many are begun, and no more", () => begun === Math.min(100, replies.length));
        if (session.info.bytesQueued > 8 * KIB) break;
      }
      assert.ok(replies.length < 150, `${replies.length} could be asked`);
      assert.ok(session.info.bytesUnacknowledged > 8 * KIB, "which are no credit any more");
      gate.resolve();
      for (const { status } of await Promise.all(replies)) assert.equal(status, "success");
      assert.equal(begun, replies.length);
    });

    test("a flood of what needs no answer of the application's keeps nobody else from theirs", async (t) => {
      const server = await kit.serve(t, { requests: { well: () => "yes" } });
      const innocent = await kit.join(t, server, { clientId: "innocent" });
      const peer = await RawClient.connect(t, kit.under, server);
      await peer.begin();
      peer.say({ kind: Kind.Request, seq: 1, type: 1, subject: "well" });
      await peer.next();
      let seq = 1;
      for (let round = 0; round < 20; round += 1) {
        for (let i = 0; i < 300; i += 1) {
          peer.say({ kind: Kind.Ack, ref: 1 }); // known since long
          peer.say({ kind: Kind.Message, seq: 1 }); // said before
          seq += 1;
          peer.say({ kind: Kind.Response, seq, type: 9 }); // to what nobody asked
        }
        assert.equal((await innocent.request("well")).status, "success");
      }
      await until(
        "all was looked at",
        () =>
          server.sessions({ where: ({ clientId }) => clientId === undefined }).sessions[0]?.info
            .messagesReceived === seq,
      );
      assert.equal(server.sessionCount, 2);
    });

    test("one that subscribes to ever more is stopped at the limit", async (t) => {
      const server = await kit.serve(
        t,
        { subscribe: () => true, requests: { well: () => "yes" } },
        { topics: { maxSubscriptionsEach: 10 } },
      );
      const client = await kit.join(t, server);
      const outcomes = await Promise.allSettled(
        Array.from({ length: 200 }, (_, i) => client.subscribe(`room.${i}`)),
      );
      assert.equal(outcomes.filter(({ status }) => status === "fulfilled").length, 10);
      assert.equal(server.topicStatistics.subscriptions, 10);
      assert.equal((await client.request("well")).status, "success");
    });

    test("an event loop that stands still for longer than the heartbeat's timeout loses nobody", async (t) => {
      const server = await kit.serve(
        t,
        { requests: { well: () => "yes" } },
        { heartbeat: { intervalMs: 1_000, timeoutMs: 1_000 } },
      );
      const client = await kit.join(t, server, { heartbeatMs: 1_000 });
      assert.equal((await client.request("well")).status, "success");
      kit.standStill(1_300);
      assert.equal((await client.request("well")).status, "success");
      assert.equal(server.counters.heartbeatTimeouts, 0);
      assert.equal(client.state, "connected");
    });
  });
}
