import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { FrameContents } from "millrace";
import { CompressionCode } from "#internal/frame/compressed_payload.js";
import { compressPayload } from "#internal/frame/compression.js";
import { Kind } from "#internal/frame/frame.js";
import { Unsequenced } from "#internal/server/unsequenced.js";

const message = (payload: Uint8Array, flags = 0): FrameContents => ({
  ...{ kind: Kind.Message, flags, channel: 0, type: 0, seq: 0, ref: 0, payload },
});
const limits = { sessionBytes: 10_000, totalBytes: 15_000 };

describe("messages without a sequence that wait", () => {
  it("have room in their session, and in all together", () => {
    const waiting = new Unsequenced<object>();
    const [one, other] = [{}, {}];
    const large = message(new Uint8Array(6_000));
    assert.ok(waiting.hasRoomFor(one, large, limits));
    waiting.add(one, 6_048);
    assert.ok(!waiting.hasRoomFor(one, large, limits), "its session has too much");
    assert.ok(waiting.hasRoomFor(other, large, limits));
    waiting.add(other, 6_048);
    assert.ok(!waiting.hasRoomFor({}, large, limits), "all have too much together");
    waiting.add(one, -6_048);
    assert.ok(waiting.hasRoomFor(one, large, limits));
  });

  it("count as they are when they are not compressed any more", () => {
    const waiting = new Unsequenced<object>();
    const { deflate } = CompressionCode;
    const small = (bytes: number) => message(compressPayload(new Uint8Array(bytes), deflate), deflate);
    assert.ok(waiting.hasRoomFor({}, small(9_000), limits));
    assert.ok(!waiting.hasRoomFor({}, small(11_000), limits));
  });

  it("are forgotten with their session, and count for nothing when they come to their turn all the same", () => {
    const waiting = new Unsequenced<object>();
    const session = {};
    waiting.add(session, 9_000);
    waiting.forget(session);
    waiting.add(session, -9_000);
    for (let i = 0; i < 15; i += 1) {
      assert.ok(waiting.hasRoomFor({}, message(new Uint8Array(900)), limits));
      waiting.add({}, 1_000);
    }
    assert.ok(!waiting.hasRoomFor({}, message(new Uint8Array(900)), limits));
  });
});
