import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { decodeFrame, encodeFrame, FrameView } from "#internal/frame/frame.js";
import { verifyFrame } from "#internal/frame/verifier.js";
import { validFrames } from "../corpus/frames.js";
import { type Described, describeFrame, programs, Runtime } from "./compat/runtime.js";

const header = { kind: 4, flags: 0, channel: 1, type: 2, seq: 3, ref: 4 };
const most = 2 ** 32 - 1;
const cases: Readonly<Record<string, Described>> = {
  "with nothing but a header": { ...header, payload: "" },
  "with a payload": { ...header, payload: "0102030405" },
  "with the largest of all numbers": {
    ...{ kind: 255, flags: 255, channel: 65_535, type: most, seq: most, ref: most },
    payload: "ff".repeat(100_000),
  },
  "with a subject": { ...header, payload: "00".repeat(8), subject: "räume.1 €😀" },
  "with an empty subject": { ...header, payload: "", subject: "" },
  "with metadata": {
    ...{ ...header, payload: "0a", subject: "s" },
    meta: [
      ["messageId", "07".repeat(16)],
      ["", ""],
      ["messageId", "00"],
    ],
  },
};

function decoded(frame: Uint8Array): Described {
  return describeFrame(decodeFrame(frame, false, new FrameView()));
}

function encoded({ payload, subject, meta, ...fields }: Described): Uint8Array {
  const entries = meta?.map(([key, value]) => ({ key, value: Buffer.from(value, "hex") }));
  return encodeFrame(fields, Buffer.from(payload, "hex"), { subject, meta: entries });
}

for (const [language, program] of Object.entries(programs)) {
  describe(`${language}'s FlatBuffers runtime`, () => {
    let runtime: Runtime;
    before(() => {
      runtime = new Runtime(program);
    });
    after(() => runtime.end());

    for (const [name, contents] of Object.entries(cases)) {
      it(`writes a frame ${name} that ours reads, its payload aligned`, async () => {
        const frame = await runtime.write(contents);
        assert.equal(verifyFrame(frame), "valid");
        assert.deepEqual(decoded(frame), contents);
        const view = decodeFrame(frame, false, new FrameView());
        if (view.payload.length > 0) assert.equal((view.payload.byteOffset - frame.byteOffset) % 8, 0);
      });

      it(`reads a frame ${name} that ours wrote`, async () => {
        assert.deepEqual(await runtime.read(encoded(contents)), contents);
      });
    }

    it("reads the valid frames of the corpus as ours does", async () => {
      for (const [name, frame] of Object.entries(validFrames)) {
        assert.deepEqual(await runtime.read(frame), decoded(frame), name);
      }
    });
  });
}

describe("the frames that version 1 wrote", () => {
  const golden = join(import.meta.dirname, "../../../test/corpus/golden/1");
  const files = readdirSync(golden).filter((name) => name.endsWith(".bin"));

  it("are kept from each of the encoders", () => {
    for (const writer of ["typescript", "cpp", "python", "go"]) {
      assert.ok(files.filter((name) => name.startsWith(`${writer}.`)).length >= 3, writer);
    }
  });

  for (const file of files) {
    it(`are read for ever: ${file}`, () => {
      const frame = readFileSync(join(golden, file));
      const expected = JSON.parse(readFileSync(join(golden, file.replace(/\.bin$/, ".json")), "utf8"));
      assert.equal(verifyFrame(frame), "valid");
      assert.deepEqual(decoded(frame), expected);
    });
  }
});
