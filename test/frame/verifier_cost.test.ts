import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { encodeFrame } from "#internal/frame/frame.js";
import { verifyFrame } from "#internal/frame/verifier.js";
import { hostileFrames, validFrames } from "../corpus/frames.js";
import { manyEntries } from "../corpus/layout.js";

/** The verifier's reads of the frame: words and bytes. They are its time, and no machine's load moves them. */
function readsToVerify(frame: Uint8Array): number {
  let reads = 0;
  const bytes = new Proxy(frame, {
    get(target, property) {
      if (typeof property === "string" && /^\d+$/.test(property)) reads += 1;
      return Reflect.get(target, property, target);
    },
  });
  const prototype = DataView.prototype;
  const { getUint16, getInt32, getUint32 } = prototype;
  const counted = <Read extends (at: number, little?: boolean) => number>(read: Read) =>
    function (this: DataView, at: number, little?: boolean): number {
      reads += 1;
      return read.call(this, at, little);
    };
  try {
    prototype.getUint16 = counted(getUint16);
    prototype.getInt32 = counted(getInt32);
    prototype.getUint32 = counted(getUint32);
    verifyFrame(bytes);
  } finally {
    Object.assign(prototype, { getUint16, getInt32, getUint32 });
  }
  return reads;
}

const header = { kind: 4, flags: 0, channel: 0, type: 0, seq: 0, ref: 0 };
/** A frame's text is read once, its 1,024 entries a few words each. */
const mostReads = 64 * 1024 + 1024 * 20 + 64;

describe("what it takes to verify a frame", () => {
  it("is counted: every byte of text is read, and more text takes more", () => {
    const reads = [100, 200].map((length) =>
      readsToVerify(encodeFrame(header, new Uint8Array(0), { subject: "s".repeat(length) })),
    );
    assert.equal(reads[1]! - reads[0]!, 100);
  });

  it("is the same for a megabyte of payload as for none", () => {
    const reads = [0, 1024 * 1024].map((size) =>
      readsToVerify(encodeFrame(header, new Uint8Array(size), { subject: "a" })),
    );
    assert.equal(reads[1], reads[0]);
  });

  it("grows with the number of entries, and no faster", () => {
    const [few, many] = [256, 512].map((entries) => readsToVerify(manyEntries(entries, "k").bytes));
    assert.ok(many! < 2 * few!, `${few} reads for 256 entries, ${many} for 512`);
  });

  it("has a bound that no frame goes beyond, whatever it is and however large", () => {
    const worst = {
      "a megabyte of entries that share their text": manyEntries(130_000, "k".repeat(60)).bytes,
      "the most entries with the most text": manyEntries(1024, "é".repeat(31)).bytes,
      "a megabyte of text": encodeFrame(header, new Uint8Array(0), { subject: "é".repeat(512 * 1024) }),
    };
    for (const [name, frame] of Object.entries({ ...validFrames, ...hostileFrames, ...worst })) {
      const reads = readsToVerify(frame);
      assert.ok(reads <= mostReads, `${name}: ${reads} reads`);
    }
  });
});
