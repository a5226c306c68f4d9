import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { describe, test } from "node:test";
import { Backlog } from "#internal/quic/stream/backlog.js";
import { Loopback } from "../kit/loopback.js";
import { firstStream, openPair } from "../kit/pair.js";
import { until } from "../kit/until.js";

const loopback = await Loopback.make();

describe("what waits to be read", () => {
  test("comes back as it was, whatever the sizes of its pieces", () => {
    const bytes = randomBytes(200_000);
    for (const how of ["all at once", "block by block"]) {
      const backlog = new Backlog();
      for (let at = 0, size = 1; at < bytes.length; at += size, size = (size * 7) % 10_007) {
        size = Math.min(size, bytes.length - at);
        backlog.add(bytes.subarray(at, at + size));
      }
      assert.equal(backlog.bytes, bytes.length);
      const blocks = how === "all at once" ? backlog.takeAll() : [];
      for (let block = backlog.shift(); block !== undefined; block = backlog.shift()) blocks.push(block);
      assert.ok(Buffer.concat(blocks).equals(bytes));
      assert.equal(backlog.bytes, 0);
      assert.deepEqual(backlog.takeAll(), []);
    }
  });

  test("takes at most twice its size in memory, when it comes byte by byte", () => {
    const backlog = new Backlog();
    const one = new Uint8Array(1);
    const total = 256 * 1024;
    for (let i = 0; i < total; i++) backlog.add(one);
    const blocks = backlog.takeAll();
    const held = blocks.reduce((sum, block) => sum + block.buffer.byteLength, 0);
    assert.ok(held <= 2 * total, `${held} bytes for ${total}`);
    assert.ok(blocks.length <= 32, `${blocks.length} blocks`);
    assert.equal(new Set(blocks.map((block) => block.buffer)).size, blocks.length);
  });
});

test("a stream that is paused while single bytes come holds little more than those", async (t) => {
  const server = firstStream();
  const { client } = await openPair(loopback, t, server, { options: { highWaterMarkBytes: 1 << 20 } });
  const stream = client.openStream();
  const one = new Uint8Array(1);
  const total = 50_000;
  stream.write(one);
  const theirs = await server.stream;
  for (let i = 1; i < total; i++) {
    stream.write(one);
    // A send of its own for each few of them, so that they come in many pieces.
    if (i % 8 === 0) await Promise.resolve();
  }
  await until("all have come", () => theirs.bytesReceived === total);
  const { value: blocks } = await theirs[Symbol.asyncIterator]().next();
  const held = blocks!.reduce((sum, block) => sum + block.buffer.byteLength, 0);
  // Twice at most for what was joined, and the pieces that had just come.
  assert.ok(held <= 3 * total, `${held} bytes for ${total}`);
});
