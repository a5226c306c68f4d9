import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { PreparedWelcomes } from "#internal/delivery/prepared_welcome.js";
import { encodeWelcome, type Welcome } from "#internal/delivery/welcome.js";
import { encodeFrame } from "#internal/frame/frame.js";

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });

const welcomes: fc.Arbitrary<Welcome> = fc.record({
  version: fc.constant(1),
  session: bytes(16),
  resume: fc.oneof(bytes(25), bytes(24)),
  resumed: fc.constant(false),
  cursors: fc.constant(new Map<number, number>()),
  heartbeatMs: fc.option(fc.integer({ min: 1, max: 0xffff_ffff }), { nil: undefined }),
  windowBytes: fc.constantFrom(0, 65_536, 0xffff_ffff),
  maxMessageBytes: fc.constantFrom(1, 0xffff_ffff),
  clientId: fc.constantFrom(undefined, "ann", "bob", "éa", "x".repeat(256)),
  meta: fc.constant([]),
  answersEarly: fc.boolean(),
});

function encoded(welcome: Welcome): Uint8Array {
  const contents = encodeWelcome(welcome);
  return encodeFrame(contents, contents.payload, contents);
}

describe("a prepared welcome", () => {
  it("is byte for byte what is encoded, whichever came before it", () => {
    fc.assert(
      fc.property(fc.array(welcomes), (all) => {
        const prepared = new PreparedWelcomes();
        for (const welcome of all) assert.deepEqual(prepared.encode(welcome), encoded(welcome));
      }),
    );
  });

  it("is none for one that says more than a new session's", () => {
    const prepared = new PreparedWelcomes();
    const [plain] = fc.sample(welcomes, 1);
    const more: Partial<Welcome>[] = [
      { resumed: true },
      { cursors: new Map([[0, 1]]) },
      { compression: Uint8Array.of(1) },
      { meta: [{ key: "a", value: new Uint8Array(1) }] },
    ];
    for (const one of more) assert.equal(prepared.encode({ ...plain!, ...one }), undefined);
  });
});
