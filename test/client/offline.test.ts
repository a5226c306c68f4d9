import assert from "node:assert/strict";
import { describe, type TestContext, test } from "node:test";
import { ResourceExhaustedError } from "millrace";
import { type ClientOptions, type ClientSession, connect, type SendOptions } from "millrace/client";
import { createServer } from "millrace/server";
import { until } from "../kit/until.js";

/** A client that has lost its connection, and what the server gets when it is back. */
async function offline(t: TestContext, options: ClientOptions) {
  const got: string[] = [];
  const server = await createServer(
    { listen: "tcp://127.0.0.1:0" },
    { message: (_session, message) => got.push(message.text().trim()) },
  );
  t.after(() => server.close({ graceful: false }));
  const [url] = server.urls;
  const client = await connect(url!, { reconnect: false, ...options });
  t.after(() => client.close({ graceful: false }));
  await until("it has begun", () => server.sessionCount === 1);
  client.abandon();
  await until("it is lost", () => client.state === "disconnected");
  const back = async () => {
    await client.switchTo(url!);
    client.send("last", { priority: "bulk" });
    await until("the last has come", () => got.at(-1) === "last");
    return got.slice(0, -1);
  };
  return { client, back };
}

/** Sends messages of 600 bytes, with their number. */
function sendAll(client: ClientSession, count: number, options: SendOptions = {}): string[] {
  return Array.from({ length: count }, (_, i) => client.send(`${i}`.padEnd(600), options));
}

describe("the queue of a client without a connection", () => {
  for (const queuePolicy of ["block", "drop-newest"] as const) {
    test(`refuses what finds it full, where the policy is ${queuePolicy}`, async (t) => {
      const { client, back } = await offline(t, { queueBytes: 3_000, queuePolicy });
      const results = sendAll(client, 10);
      const accepted = results.filter((result) => result !== "dropped").length;
      assert.ok(accepted > 1 && accepted < 10, results.join());
      assert.deepEqual(
        await back(),
        Array.from({ length: accepted }, (_, i) => `${i}`),
      );
    });
  }

  test("gives up the oldest, where the policy is drop-oldest", async (t) => {
    const { client, back } = await offline(t, { queueBytes: 3_000, queuePolicy: "drop-oldest" });
    assert.ok(!sendAll(client, 10).includes("dropped"));
    const got = await back();
    assert.ok(got.length > 1 && got.length < 10);
    assert.deepEqual(
      got,
      Array.from({ length: got.length }, (_, i) => `${10 - got.length + i}`),
    );
  });

  test("keeps the newest of each key, where the policy is conflate", async (t) => {
    const { client, back } = await offline(t, { queueBytes: 3_000, queuePolicy: "conflate" });
    assert.ok(!sendAll(client, 10, { key: "a" }).includes("dropped"));
    assert.ok(!sendAll(client, 5, { key: "b" }).includes("dropped"));
    assert.deepEqual(await back(), ["9", "4"]);
  });

  test("has the session fail, where the policy is close", async (t) => {
    const { client } = await offline(t, { queueBytes: 3_000, queuePolicy: "close" });
    for (let sent = 0; sent < 10 && client.state !== "failed"; sent += 1) client.send("x".repeat(600));
    const { error, code } = await client.closed;
    assert.ok(error instanceof ResourceExhaustedError);
    assert.deepEqual([client.state, code], ["failed", 7]);
  });

  test("lets go of what is too old, or past its own deadline, and says so", async (t) => {
    const { client, back } = await offline(t, { offlineMaxAgeMs: 50 });
    const aged = client.sendAcked("old");
    const own = client.sendAcked("past its deadline", { deadlineMs: 1 });
    client.send("old, too");
    assert.deepEqual(await aged, { status: "expired" });
    assert.deepEqual(await own, { status: "expired" });
    client.send("young");
    assert.deepEqual(await back(), ["young"]);
  });
});
