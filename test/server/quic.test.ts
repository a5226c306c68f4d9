import assert from "node:assert/strict";
import { test } from "node:test";
import { connect } from "millrace/client";
import { createServer, type Session } from "millrace/server";
import { createRelay } from "millrace/testing";
import { deferred } from "../kit/deferred.js";
import { until } from "../kit/until.js";
import { authority, identity } from "../transport/suite/kit.js";
import { describeSessions } from "./suite.js";

describeSessions("QUIC", { url: "quic://127.0.0.1:0" });

for (const delivery of ["unreliable", "unordered"] as const) {
  test(`over QUIC what is ${delivery} does not wait for an ordered message that is lost`, async (t) => {
    const opened = deferred<Session>();
    const server = await createServer(
      { listen: "quic://127.0.0.1:0", tls: identity },
      { open: (session) => opened.resolve(session) },
    );
    t.after(() => server.close({ graceful: false }));
    const relay = await createRelay({
      target: { address: "127.0.0.1", port: Number(new URL(server.urls[0]!).port) },
    });
    t.after(() => relay.close());
    const heard: number[] = [];
    const client = await connect(
      `quic://127.0.0.1:${relay.address.port}`,
      { tls: { ca: authority.certificate } },
      { message: (_session, message) => void heard.push(message.type) },
    );
    t.after(() => client.close({ graceful: false }));
    const session = await opened.promise;

    relay.set({ toClient: { maxDatagramBytes: 900 } });
    session.send(new Uint8Array(1_000), { type: 1 }); // too large for the path, as often as it is sent again
    await until("the other is heard", () => {
      session.send("now", { type: 2, delivery }); // one that shares a packet with the first is lost with it
      return heard.length > 0;
    });
    assert.ok(!heard.includes(1));
    relay.set({ toClient: { maxDatagramBytes: 1_500 } });
    await until("all is heard", () => heard.includes(1));
  });
}
