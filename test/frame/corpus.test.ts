import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { verifyFrame } from "#internal/frame/verifier.js";
import { hostileFrames, validFrames } from "../corpus/frames.js";
import { digestMutants } from "../corpus/mutants.js";

const folder = join(import.meta.dirname, "../../../test/corpus");
const corpus = join(folder, "frames");

describe("the frame corpus", () => {
  it("has a file for every frame that is described, and no other", () => {
    for (const [folder, frames] of [["valid", validFrames] as const, ["hostile", hostileFrames] as const]) {
      const names = readdirSync(join(corpus, folder)).sort();
      assert.deepEqual(
        names,
        Object.keys(frames)
          .map((name) => `${name}.bin`)
          .sort(),
      );
      for (const [name, frame] of Object.entries(frames)) {
        assert.deepEqual(new Uint8Array(readFileSync(join(corpus, folder, `${name}.bin`))), frame, name);
      }
    }
  });

  it("spoilt in 50,000 ways has the same faults here as in C++", () => {
    const lines = readFileSync(join(folder, "mutants.txt"), "utf8").trimEnd().split("\n");
    assert.deepEqual(digestMutants(validFrames, verifyFrame), lines);
  });

  for (const [name, frame] of Object.entries(validFrames)) {
    it(`passes ${name}`, () => assert.equal(verifyFrame(frame), "valid"));
  }

  for (const [name, frame] of Object.entries(hostileFrames)) {
    it(`refuses ${name}`, () => assert.equal(verifyFrame(frame), name.split(".")[0]));
  }
});
