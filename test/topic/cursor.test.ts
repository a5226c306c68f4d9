import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { FrameMalformedError, InvalidArgumentError } from "#internal/errors.js";
import { type Cursor, decodeCursor, encodeCursor } from "#internal/topic/cursor.js";

const u32 = fc.integer({ min: 0, max: 2 ** 32 - 1 });

describe("a cursor", () => {
  it("is epoch, high and low half of the sequence on the wire, little-endian", () => {
    const bytes = encodeCursor({ epoch: 0x01020304, sequence: 0x05060708_090a });
    assert.equal(Buffer.from(bytes).toString("hex"), "04030201" + "06050000" + "0a090807");
  });

  it("is the same when it comes back, wherever in a buffer it lies", () => {
    fc.assert(
      fc.property(u32, fc.maxSafeNat(), fc.nat(9), (epoch, sequence, at) => {
        const buffer = new Uint8Array(at + 12);
        buffer.set(encodeCursor({ epoch, sequence }), at);
        assert.deepEqual(decodeCursor(buffer.subarray(at)), { epoch, sequence });
      }),
    );
  });

  it("is refused from the wire where it has another length, or a sequence that is no safe integer", () => {
    for (const length of [0, 11, 13]) {
      assert.throws(() => decodeCursor(new Uint8Array(length)), FrameMalformedError);
    }
    const above = encodeCursor({ epoch: 1, sequence: Number.MAX_SAFE_INTEGER });
    above[6] = 0x20;
    assert.throws(() => decodeCursor(above), FrameMalformedError);
  });

  it("is refused from the application where it is none", () => {
    for (const cursor of [
      undefined,
      7,
      {},
      { epoch: 1 },
      { epoch: -1, sequence: 0 },
      { epoch: 2 ** 32, sequence: 0 },
      { epoch: 1, sequence: -1 },
      { epoch: 1, sequence: 0.5 },
      { epoch: 1, sequence: 2 ** 53 },
      { epoch: 1, sequence: 1n },
    ]) {
      assert.throws(() => encodeCursor(cursor as Cursor), InvalidArgumentError);
    }
  });
});
