import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { highBits, joinBits, lowBits, nextSequence, widen } from "#internal/delivery/sequence.js";
import { sequences } from "./arbitraries.js";

describe("a sequence", () => {
  it("is found again by its low 32 bits, from any other that is less than 2^31 away", () => {
    fc.assert(
      fc.property(sequences, fc.integer({ min: -0x7fff_ffff, max: 0x7fff_ffff }), (sequence, distance) => {
        const near = sequence + distance;
        fc.pre(near >= 0 && near <= Number.MAX_SAFE_INTEGER);
        assert.equal(widen(lowBits(sequence), near), sequence);
      }),
    );
  });

  it("is never one whose low bits are 0, which say that there is none", () => {
    assert.equal(nextSequence(0), 1);
    assert.equal(nextSequence(0xffff_fffe), 0xffff_ffff);
    assert.equal(nextSequence(0xffff_ffff), 0x1_0000_0001);
    assert.equal(nextSequence(0x5_ffff_ffff), 0x6_0000_0001);
  });

  it("comes back from its two halves", () => {
    fc.assert(
      fc.property(sequences, (sequence) => {
        assert.equal(joinBits(highBits(sequence), lowBits(sequence)), sequence);
      }),
    );
  });
});
