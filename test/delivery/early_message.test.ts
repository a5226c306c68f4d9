import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { type FrameContents, FrameMalformedError, ProtocolViolationError } from "millrace";
import { encodeEarly, readEarly } from "#internal/delivery/early_message.js";
import { Kind } from "#internal/frame/frame.js";

const bytes = (maxLength: number) => fc.uint8Array({ maxLength });
const frames: fc.Arbitrary<FrameContents> = fc.record({
  kind: fc.constantFrom(Kind.Request, Kind.Message),
  flags: fc.constant(0),
  channel: fc.constant(0),
  type: fc.nat(),
  seq: fc.constant(0),
  ref: fc.constant(0),
  payload: bytes(200),
  subject: fc.string({ minLength: 1, maxLength: 20 }),
  meta: fc.array(fc.record({ key: fc.constantFrom("early", "a", "b"), value: bytes(20) }), { maxLength: 3 }),
});
const nonces = fc.uint8Array({ minLength: 16, maxLength: 16 });

/** What a frame says. */
function plain({ kind, type, payload, subject, meta = [] }: FrameContents) {
  const text = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");
  return [kind, type, text(payload), subject, meta.map(({ key, value }) => [key, text(value)])];
}

describe("what a hello has", () => {
  it("is read as it was, without what tells it from its copies", () => {
    fc.assert(
      fc.property(frames, nonces, (frame, nonce) => {
        const [read] = readEarly([encodeEarly(frame, nonce)]);
        assert.deepEqual(plain(read!.frame), plain(frame));
        assert.deepEqual([read!.place, read!.marks], [1, undefined]);
      }),
    );
  });

  it("is refused, and nothing else happens, whatever is done to its bytes", () => {
    fc.assert(
      fc.property(frames, nonces, fc.nat(), fc.integer({ min: 0, max: 255 }), (frame, nonce, at, byte) => {
        const early = encodeEarly(frame, nonce);
        early[at % early.length] = byte;
        try {
          const [read] = readEarly([early]);
          assert.ok(read!.frame.kind === Kind.Request || read!.frame.kind === Kind.Message);
          assert.equal(read!.frame.seq, 0);
        } catch (cause) {
          assert.ok(
            cause instanceof FrameMalformedError || cause instanceof ProtocolViolationError,
            String(cause),
          );
        }
      }),
    );
  });
});
