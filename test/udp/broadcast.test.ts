import assert from "node:assert/strict";
import { describe, type TestContext, test } from "node:test";
import { type BroadcastMessage, type BroadcastOptions, openBroadcast } from "millrace/udp";
import { until } from "../kit/until.js";
import { datagram, fates, hotFrame, loopbacks, query, Stranger, secret } from "./kit.js";

const [{ family: _family, address: _address, ...medium }] = loopbacks;

async function party(t: TestContext, options: Partial<BroadcastOptions> = {}) {
  const broadcast = await openBroadcast({ ...medium, secret, port: 0, ...options });
  t.after(() => broadcast.close());
  return broadcast;
}

/** Three that hear each other. */
async function three(t: TestContext, options: Partial<BroadcastOptions> = {}) {
  const one = await party(t, options);
  const { port } = one.address;
  return [one, await party(t, { ...options, port }), await party(t, { ...options, port })] as const;
}

async function take(from: AsyncIterable<BroadcastMessage>, count: number): Promise<BroadcastMessage[]> {
  const messages = [];
  for await (const message of from) {
    messages.push(message);
    if (messages.length === count) break;
  }
  return messages;
}

describe("a broadcast", () => {
  for (const [name, group] of [
    ["to a multicast group", { group: "239.255.77.82", interface: "lo" }],
    ["to all of a link", { group: "255.255.255.255", interface: "lo" }],
    ["to all of a network", { group: "127.255.255.255", interface: undefined }],
  ] as const) {
    test(`${name} reaches all others and not its sender`, async (t) => {
      const [one, two, three_] = await three(t, group);
      const before = Date.now();
      assert.equal(one.send(Buffer.from("hello"), { type: 7, subject: "greeting" }), "sent");
      for (const other of [two, three_]) {
        const [message] = await take(other, 1);
        assert.equal(Buffer.from(message!.payload).toString(), "hello");
        assert.deepEqual([message!.type, message!.subject], [7, "greeting"]);
        assert.equal(message!.from.address, "127.0.0.1");
        assert.ok(message!.sentAtMs >= before && message!.sentAtMs <= Date.now());
      }
      await until("its own has come back", () => one.counters.own === 1);
      assert.equal(one.counters.taken, 0);
    });
  }

  test("of whom has another secret is not heard", async (t) => {
    const one = await party(t);
    const other = await party(t, { port: one.address.port, secret: "another secret of some length" });
    other.send(Buffer.from("buy!"));
    await until("it was judged", () => one.counters.forged === 1);
  });

  test("is taken once, however often it is sent again", async (t) => {
    const one = await party(t);
    const stranger = await Stranger.open(t, "127.0.0.1");
    const recorded = datagram(hotFrame(4, Buffer.from("once")));
    for (let count = 0; count < 100; count++) await stranger.send(recorded, one.address.port, "127.0.0.1");
    await until("all was judged", () => one.counters.received === 100);
    assert.deepEqual([one.counters.taken, one.counters.replayed], [1, 99]);
    assert.deepEqual(
      (await take(one, 1)).map(({ payload }) => Buffer.from(payload).toString()),
      ["once"],
    );
  });

  test("holds at most so many messages for its reader, and lets the oldest go", async (t) => {
    const one = await party(t, { maxQueued: 10 });
    const stranger = await Stranger.open(t, "127.0.0.1");
    for (let count = 0; count < 30; count++) {
      await stranger.send(datagram(hotFrame(4, Buffer.of(count))), one.address.port, "127.0.0.1");
    }
    await until("all was judged", () => one.counters.taken === 30);
    assert.equal(one.counters.overtaken, 20);
    const kept = (await take(one, 10)).map(({ payload }) => payload[0]);
    assert.deepEqual(kept, [20, 21, 22, 23, 24, 25, 26, 27, 28, 29]);
  });

  test("is heard through a flood to the same group, which costs counters and nothing else", async (t) => {
    const [one, two] = await three(t);
    const stranger = await Stranger.open(t, "127.0.0.1");
    const shapeless = Buffer.alloc(1_200);
    const forged = query(200, { key: "another secret of some length" });
    for (let count = 1; count <= 1_500; count++) {
      const datagram = [shapeless, forged, query(200)][count % 3]!;
      await stranger.send(datagram, two.address.port, medium.group);
      // So few at a time that the receive buffer holds them.
      if (count % 50 === 0) await until("they were judged", () => two.counters.received >= count);
      if (count === 750) one.send(Buffer.from("through"));
    }
    const [message] = await take(two, 1);
    assert.equal(Buffer.from(message!.payload).toString(), "through");
    const { counters } = two;
    assert.deepEqual(
      [counters.taken, counters.malformed, counters.forged, counters.ignored],
      [1, 500, 500, 500],
    );
    assert.equal(fates(counters), counters.received);
  });

  test("says dropped where the operating system has not taken what was sent, and goes on", async (t) => {
    const [one, two] = await three(t, { highWaterMarkBytes: 1_000 });
    const results = Array.from({ length: 20 }, (_, index) => one.send(new Uint8Array(400).fill(index)));
    assert.deepEqual(results.slice(0, 3), ["sent", "sent", "dropped"]);
    await until("what was taken is sent", () => one.counters.sent === 2);
    assert.equal(one.send(Buffer.of(99)), "sent");
    const heard = (await take(two, 3)).map(({ payload }) => payload[0]);
    assert.deepEqual(heard, [0, 1, 99]);
  });

  test("takes messages of up to a datagram, and no larger", async (t) => {
    const [one, two] = await three(t);
    assert.throws(() => one.send(new Uint8Array(1_121)), { code: "ERR_MILLRACE_FRAME_TOO_LARGE" });
    assert.throws(() => one.send(new Uint8Array(100_000)), { code: "ERR_MILLRACE_FRAME_TOO_LARGE" });
    one.send(new Uint8Array(1_120).fill(3));
    const [message] = await take(two, 1);
    assert.equal(message!.payload.length, 1_120);
    one.send(new Uint8Array(0));
    assert.equal((await take(two, 1))[0]!.payload.length, 0);
  });

  test("refuses what is no message", async (t) => {
    const one = await party(t);
    const invalid = { code: "ERR_MILLRACE_INVALID_ARGUMENT" };
    assert.throws(() => one.send("text" as unknown as Uint8Array), invalid);
    assert.throws(() => one.send(new Uint8Array(1), { type: -1 }), invalid);
    assert.throws(() => one.send(new Uint8Array(1), { kind: 4 } as object), invalid);
    await assert.rejects(openBroadcast({ secret, port: 0, maxQueued: 0 }), invalid);
  });

  test("ends its iteration with close, has one reader, and sends no more", async (t) => {
    const one = await party(t);
    const ended = take(one, 1);
    await assert.rejects(take(one, 1), { code: "ERR_MILLRACE_READER_LOCKED" });
    await one.close();
    assert.deepEqual(await ended, []);
    assert.throws(() => one.send(new Uint8Array(1)), { code: "ERR_MILLRACE_CONNECTION_CLOSED" });
    await one[Symbol.asyncDispose]();
  });
});
