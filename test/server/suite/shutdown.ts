import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Session } from "millrace/server";
import { u32 } from "#internal/delivery/meta.js";
import { Kind } from "#internal/frame/frame.js";
import { deferred } from "../../kit/deferred.js";
import type { SessionKit } from "./kit.js";
import { RawClient } from "./raw_client.js";

export function describeShutdown({ under, serve }: SessionKit): void {
  describe("a server that stops", () => {
    test("sends first what waits for a client's credit", async (t) => {
      const opened = deferred<Session>();
      const server = await serve(t, { open: (session) => opened.resolve(session) });
      const client = await RawClient.connect(t, under, server);
      await client.begin({ meta: [{ key: "window", value: u32(100, "window") }] });
      const session = await opened.promise;
      session.send(new Uint8Array(200));
      session.send("the last");

      const stopped = server.close();
      const first = await client.frames.take();
      assert.equal((await client.frames.take()).kind, Kind.GoAway);
      assert.equal(first.seq, 1);
      client.say({ kind: Kind.Ack, ref: 1 });
      const last = await client.frames.take();
      assert.equal(Buffer.from(last.payload).toString(), "the last");
      await client.closed;
      await stopped;
    });

    test("waits for the answers that it asked for", async (t) => {
      const server = await serve(t, { open: (session) => void session.request("last words") });
      const client = await RawClient.connect(t, under, server);
      await client.begin();
      const request = await client.frames.take();
      const stopped = server.close();
      assert.equal((await client.frames.take()).kind, Kind.GoAway);
      assert.equal(server.sessionCount, 1);
      client.say({ kind: Kind.Response, seq: 1, type: request.type });
      await stopped;
    });
  });
}
