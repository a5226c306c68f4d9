import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { FrameTooLargeError } from "#internal/errors.js";
import { frameBytesByPrefix, sizePrefixBytes } from "#internal/frame/codec.js";
import { PlacedUnit } from "#internal/tcp/placed_unit.js";
import { Splitter } from "#internal/tcp/splitter.js";
import type { StreamFraming } from "#internal/transport/control.js";
import { validFrames } from "../corpus/frames.js";
import { frame } from "./kit.js";

const framing: StreamFraming = {
  prefixBytes: sizePrefixBytes,
  frameBytes: frameBytesByPrefix,
  lineProtocols: [],
  encodeControl: () => new Uint8Array(0),
};

/** The next unit, as whoever takes frames where they lie has it. */
function nextPlaced(splitter: Splitter): Uint8Array | undefined {
  const placed = new PlacedUnit();
  if (!splitter.place(placed)) return splitter.next();
  const { ring, words, offset, length } = placed;
  assert.equal(words[offset >> 2]! + sizePrefixBytes, length);
  return new Uint8Array(ring, offset, length);
}

/** Cuts a stream at the places given, and gives the parts to a splitter, each in a buffer of its own. */
function split(
  splitter: Splitter,
  stream: Buffer,
  cuts: readonly number[],
  next = (from: Splitter) => from.next(),
): Buffer[] {
  const places = [...new Set(cuts.map((cut) => cut % (stream.length + 1)))].sort((a, b) => a - b);
  const units: Buffer[] = [];
  let from = 0;
  for (const to of [...places, stream.length]) {
    if (to > from) splitter.push(Buffer.from(stream.subarray(from, to)));
    from = to;
    for (let unit = next(splitter); unit !== undefined; unit = next(splitter)) units.push(Buffer.from(unit));
  }
  return units;
}

describe("the splitter", () => {
  const cuts = fc.array(fc.nat(), { maxLength: 30 });

  test("finds the same frames wherever their stream is cut, and all that is left", () => {
    const payloads = fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 10 });
    fc.assert(
      fc.property(payloads, cuts, fc.nat(40), (contents, places, extra) => {
        const frames = contents.map((payload) => frame(payload));
        const rest = frame("unfinished").subarray(0, extra);
        const splitter = new Splitter(framing, false, 2000);
        assert.deepEqual(split(splitter, Buffer.concat([...frames, rest]), places), frames);
        assert.deepEqual(Buffer.from(splitter.rest() ?? []), Buffer.from(rest));
        const placing = new Splitter(framing, false, 2000);
        assert.deepEqual(split(placing, Buffer.concat([...frames, rest]), places, nextPlaced), frames);
        assert.deepEqual(Buffer.from(placing.rest() ?? []), Buffer.from(rest));
      }),
    );
  });

  test("shows frames where they lie, but for those in several chunks, at no multiple of 4, or too large", () => {
    const splitter = new Splitter(framing, false, 100);
    const placed = new PlacedUnit();
    const [even, odd, last] = [frame("four"), frame("seven.."), frame("last")];
    splitter.push(Buffer.concat([even, odd, last, even.subarray(0, 20)]));
    for (const each of [even, odd]) {
      assert.equal(splitter.place(placed), true);
      assert.deepEqual(Buffer.from(placed.bytes()), each);
    }
    assert.equal(splitter.place(placed), false); // behind an odd one
    assert.deepEqual(Buffer.from(splitter.next()!), last);
    assert.equal(splitter.place(placed), false); // its end is missing
    assert.equal(splitter.next(), undefined);
    splitter.push(Buffer.concat([even.subarray(20), frame(Buffer.alloc(100))]));
    assert.equal(splitter.place(placed), false);
    assert.deepEqual(Buffer.from(splitter.next()!), even);
    assert.equal(splitter.place(placed), false);
    assert.throws(() => splitter.next(), FrameTooLargeError);
  });

  test("finds the valid frames of the corpus wherever their stream is cut", () => {
    const frames = Object.values(validFrames).map((each) => Buffer.from(each));
    const limit = Math.max(...frames.map(({ length }) => length));
    fc.assert(
      fc.property(cuts, (places) => {
        const splitter = new Splitter(framing, false, limit);
        assert.deepEqual(split(splitter, Buffer.concat(frames), places), frames);
        assert.equal(splitter.isInside, false);
      }),
      { numRuns: 20 },
    );
  });

  test("finds the same lines wherever their stream is cut", () => {
    const texts = fc.array(fc.string({ maxLength: 50 }).map((text) => text.replaceAll("\n", "")));
    fc.assert(
      fc.property(texts, cuts, (lines, places) => {
        const ended = lines.map((line) => Buffer.from(`${line}\n`));
        assert.deepEqual(split(new Splitter(framing, true, 500), Buffer.concat(ended), places), ended);
      }),
    );
  });

  test("takes units of exactly the limit, and of not one byte more, whole or in parts", () => {
    for (const lines of [false, true]) {
      const unit = lines ? Buffer.from(`${"x".repeat(147)}\n`) : frame("x".repeat(100));
      assert.equal(unit.length, 148);
      for (const cut of [[], [1], [5], [147]]) {
        assert.deepEqual(split(new Splitter(framing, lines, 148), unit, cut), [unit]);
        assert.throws(() => split(new Splitter(framing, lines, 147), unit, cut), {
          code: "ERR_MILLRACE_FRAME_TOO_LARGE",
        });
      }
    }
  });

  test("shows no memory but the unit's, however its chunk lies in its buffer", () => {
    const slab = Buffer.alloc(1000, 0xee);
    const bytes = frame("secret");
    bytes.copy(slab, 333);
    const splitter = new Splitter(framing, false, 2000);
    splitter.push(slab.subarray(333, 333 + bytes.length));
    assert.deepEqual(Buffer.from(splitter.next()!), bytes);
    assert.equal(splitter.next(), undefined);
  });
});
