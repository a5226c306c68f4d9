import assert from "node:assert/strict";
import { createHash, createHmac } from "node:crypto";
import { describe, it } from "node:test";
import fc from "fast-check";
import { InternalError } from "millrace";
import { ShortHmac, sha256Hex } from "#internal/delivery/sha256.js";

describe("SHA-256 by one call", () => {
  it("is that of Node's objects, of bytes and of text", () => {
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array(), fc.string({ unit: "grapheme" })), (data) => {
        assert.equal(sha256Hex(data), createHash("sha256").update(data).digest("hex"));
      }),
    );
  });
});

describe("an HMAC of what is short", () => {
  it("is RFC 2104's, whatever came before, with bytes and text in any order", () => {
    const key = fc.uint8Array({ minLength: 1, maxLength: 64 });
    const parts = fc.array(fc.oneof(fc.uint8Array(), fc.string({ unit: "grapheme", maxLength: 8 })));
    fc.assert(
      fc.property(key, fc.string(), fc.array(parts), (key, prefix, messages) => {
        const hmac = new ShortHmac(key, prefix, 1024);
        for (const message of messages) {
          const expected = createHmac("sha256", key).update(prefix);
          for (const part of message) expected.update(part);
          assert.deepEqual(Buffer.from(hmac.of(...message)), expected.digest());
        }
      }),
    );
  });

  it("is of all of the message: one that is too long is refused, and not cut", () => {
    const hmac = new ShortHmac(new Uint8Array(32), "prefix", 10);
    assert.equal(hmac.of("0123456789").length, 32);
    for (const long of ["0123456789a", "01234567é€", "x".repeat(1000), "012345678\u{1f600}"]) {
      assert.throws(() => hmac.of(long), InternalError, long);
    }
  });
});
