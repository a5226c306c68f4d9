import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, type TestContext, test } from "node:test";
import { InvalidArgumentError } from "millrace";
import { connect } from "millrace/client";
import { createServer, type ServerBehaviour } from "millrace/server";
import { createRelay } from "millrace/testing";
import { until } from "../kit/until.js";
import { identity } from "../transport/suite/kit.js";
import { joined } from "./joined.js";

async function serve(t: TestContext, listen: string, behaviour: ServerBehaviour) {
  const tls = listen.startsWith("quic") || listen.startsWith("wss") ? { tls: identity } : {};
  const server = await createServer({ listen, ...tls }, behaviour);
  t.after(() => server.close({ graceful: false }));
  return server.urls[0]!;
}

/** A server by QUIC that counts messages, behind a relay that counts packets. */
async function counted(t: TestContext) {
  const got: string[] = [];
  const url = await serve(t, "quic://127.0.0.1:0", {
    message: (_session, message) => got.push(message.text()),
    requests: { count: () => `${got.length}` },
  });
  const relay = await createRelay({ target: { address: "127.0.0.1", port: Number(new URL(url).port) } });
  t.after(() => relay.close());
  return { got, relay, url: `quic://127.0.0.1:${relay.address.port}` };
}

const turn = () => new Promise(setImmediate);

describe("a session that is to linger", () => {
  test("sends in few packets what comes in many turns, and one that is not in many", async (t) => {
    const packets: number[] = [];
    for (const lingerMs of [0, 2_000]) {
      const { got, relay, url } = await counted(t);
      const session = await joined(t, url, { lingerMs });
      await session.ping();
      const before = relay.counters.toServer.received;
      for (let i = 0; i < 30; i += 1) {
        session.send(`${i}`);
        if (lingerMs === 0) await until("it has come", () => got.length === i + 1);
        else await turn();
      }
      await until("all have come", () => got.length === 30);
      packets.push(relay.counters.toServer.received - before);
      assert.deepEqual(
        got,
        Array.from({ length: 30 }, (_, i) => `${i}`),
      );
    }
    const [atOnce, lingering] = packets as [number, number];
    assert.ok(lingering * 2 < atOnce, `${lingering} packets, and ${atOnce} without`);
  });

  test("does not keep a request waiting, nor what was sent before it", async (t) => {
    const { url } = await counted(t);
    const session = await joined(t, url, { lingerMs: 10_000 });
    session.send("a");
    session.send("b");
    const reply = await session.request("count", "", { timeoutMs: 5_000 });
    assert.equal(reply.status === "success" && reply.text(), "2");
  });

  test("sends what waits before it closes", async (t) => {
    for (const listen of ["tcp://127.0.0.1:0", "ws://127.0.0.1:0", "quic://127.0.0.1:0"]) {
      const got: string[] = [];
      const url = await serve(t, listen, { message: (_session, message) => got.push(message.text()) });
      const session = await joined(t, url, { lingerMs: 10_000 });
      for (const text of ["a", "b", "c"]) session.send(text);
      await session.close();
      await until("all have come", () => got.length === 3);
      assert.deepEqual(got, ["a", "b", "c"]);
    }
  });

  test("is refused what makes no sense", async () => {
    for (const options of [{ lingerMs: -1 }, { lingerMs: 10_001 }, { lingerBytes: 0 }]) {
      await assert.rejects(connect("tcp://127.0.0.1:1", options), InvalidArgumentError);
    }
  });
});

/** System calls of this process that wrote something. */
function writes(): number {
  return Number(/^syscw: (\d+)$/m.exec(readFileSync("/proc/self/io", "utf8"))![1]);
}

describe("what a session sends in one turn", { skip: process.platform !== "linux" }, () => {
  for (const listen of ["ws://127.0.0.1:0", "wss://127.0.0.1:0", "tcp://127.0.0.1:0"]) {
    test(`leaves in a few writes, over ${new URL(listen).protocol}`, async (t) => {
      let got = 0;
      const url = await serve(t, listen, { message: () => (got += 1) });
      const session = await joined(t, url);
      await session.ping();
      const before = writes();
      for (let i = 0; i < 200; i += 1) session.send(`${i}`);
      await until("all have come", () => got === 200);
      const made = writes() - before;
      assert.ok(made < 100, `${made} writes for 200 messages`);
    });
  }

  test("leaves in a few packets, over quic:", async (t) => {
    const { got, relay, url } = await counted(t);
    const session = await joined(t, url);
    await session.ping();
    const before = relay.counters.toServer.received;
    for (let i = 0; i < 200; i += 1) session.send(`${i}`);
    await until("all have come", () => got.length === 200);
    const packets = relay.counters.toServer.received - before;
    assert.ok(packets < 50, `${packets} packets for 200 messages`);
  });
});
