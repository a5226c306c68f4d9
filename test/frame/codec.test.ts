import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { ByteBuffer } from "flatbuffers";
import { FrameMalformedError } from "millrace";
import {
  frameBytesByPrefix,
  hotHeadBytes,
  readHotHead,
  readHotWords,
  writeHotHead,
} from "#internal/frame/codec.js";
import { decodeFrame, decodePlaced, encodeFrame, FrameView } from "#internal/frame/frame.js";
import { verifyFrame } from "#internal/frame/verifier.js";
import { hostileFrames, validFrames } from "../corpus/frames.js";
import { Frame } from "./generated/millrace/wire/frame.js";

const u32 = fc.integer({ min: 0, max: 0xffff_ffff });
const byte = fc.integer({ min: 0, max: 255 });
const plain = { noNullPrototype: true };
const headers = fc.record(
  { kind: byte, flags: byte, channel: fc.integer({ min: 0, max: 0xffff }), type: u32, seq: u32, ref: u32 },
  plain,
);
const bytes = fc.uint8Array({ maxLength: 300 });
const text = fc.string({ unit: "grapheme", maxLength: 40 });
const metadata = fc.array(fc.record({ key: text, value: bytes }, plain), { maxLength: 5 });

const header = { kind: 4, flags: 0, channel: 0, type: 0, seq: 0, ref: 0 };

function headerOf({ kind, flags, channel, type, seq, ref }: FrameView): typeof header {
  return { kind, flags, channel, type, seq, ref };
}

/** What the frame looks like to the generated accessors. */
function generated(bytes: Uint8Array): Frame {
  return Frame.getSizePrefixedRootAsFrame(new ByteBuffer(bytes));
}

describe("a hot frame", () => {
  it("comes back as it was written", () => {
    fc.assert(
      fc.property(headers, bytes, (header, payload) => {
        const frame = encodeFrame(header, payload);
        const view = decodeFrame(frame, false, new FrameView());
        assert.deepEqual(headerOf(view), header);
        assert.deepEqual(view.payload, payload);
        assert.deepEqual([view.subject, view.meta], [undefined, []]);
      }),
    );
  });

  for (const size of [0, 1, 65_536, 1024 * 1024]) {
    it(`carries ${size} bytes, aligned to 8, as a view of the frame`, () => {
      const payload = new Uint8Array(size).map((_, i) => i * 31);
      const frame = encodeFrame(header, payload);
      assert.equal(frame.length, hotHeadBytes + size);
      assert.equal(frameBytesByPrefix(frame), frame.length);
      const view = decodeFrame(frame, false, new FrameView());
      assert.equal(Buffer.compare(view.payload, payload), 0);
      assert.equal(view.payload.buffer, frame.buffer);
      assert.equal(view.payload.byteOffset % 8, 0);
    });
  }

  it("passes the general verifier and reads the same by the generated accessors", () => {
    fc.assert(
      fc.property(headers, bytes, (header, payload) => {
        const frame = encodeFrame(header, payload);
        assert.equal(verifyFrame(frame), "valid");
        const reading = generated(frame);
        const { kind, flags, channel, type, seq, ref } = header;
        const struct = reading.header()!;
        assert.deepEqual(
          [struct.kind(), struct.flags(), struct.channel(), struct.type(), struct.seq(), struct.ref()],
          [kind, flags, channel, type, seq, ref],
        );
        assert.deepEqual(reading.payloadArray(), payload);
      }),
    );
  });

  it("is written at any offset, over whatever was there", () => {
    const target = new Uint8Array(100).fill(0xee);
    writeHotHead(new DataView(target.buffer), 7, header, 0);
    assert.deepEqual(target.slice(7, 7 + hotHeadBytes), encodeFrame(header, new Uint8Array(0)));
    assert.ok(target.slice(0, 7).every((value) => value === 0xee));
    assert.ok(target.slice(7 + hotHeadBytes).every((value) => value === 0xee));
  });

  it("is recognised by bytes and by words alike, only where the general verifier passes it, with a payload inside of it", () => {
    const template = encodeFrame(header, new Uint8Array(16));
    const places = fc.integer({ min: 0, max: template.length - 1 });
    fc.assert(
      fc.property(fc.array(fc.tuple(places, byte), { maxLength: 4 }), (changes) => {
        const frame = template.slice();
        for (const [place, value] of changes) frame[place] = value;
        const [byBytes, byWords] = [{ ...header }, { ...header }];
        const payloadBytes = readHotHead(frame, byBytes);
        assert.equal(readHotWords(new Int32Array(frame.buffer), 0, frame.length, byWords), payloadBytes);
        assert.deepEqual(byBytes, byWords);
        if (payloadBytes < 0) return;
        assert.equal(verifyFrame(frame), "valid");
        assert.ok(hotHeadBytes + payloadBytes <= frame.length);
      }),
      { numRuns: 2_000 },
    );
  });

  it("leaves the reader's object alone when it is not recognised", () => {
    const into = { ...header, seq: 77 };
    assert.equal(readHotHead(encodeFrame(header, new Uint8Array(1), { subject: "a" }), into), -1);
    assert.equal(into.seq, 77);
  });
});

describe("a payload that is a FlatBuffer itself", () => {
  const inner = encodeFrame({ ...header, type: 77 }, Uint8Array.of(1, 2, 3), { subject: "inner" });
  const numbers = Float64Array.of(Math.PI, -0, 1e300);

  for (const [name, extras] of Object.entries({ hot: {}, general: { subject: "outer", meta: [] } })) {
    it(`is read in place, in a ${name} frame: aligned to 8, and not copied`, () => {
      const frame = encodeFrame(header, inner, extras);
      const { payload } = decodeFrame(frame, false, new FrameView());
      const nested = generated(payload);
      assert.equal(nested.header()!.type(), 77);
      assert.equal(nested.subject(), "inner");
      assert.equal(payload.buffer, frame.buffer);
      assert.equal(payload.byteOffset % 8, 0);
      assert.equal(nested.payloadArray()!.byteOffset % 8, 0);

      const doubles = new Uint8Array(numbers.buffer);
      const view = decodeFrame(encodeFrame(header, doubles, extras), false, new FrameView());
      assert.deepEqual(new Float64Array(view.payload.buffer, view.payload.byteOffset, 3), numbers);
    });
  }
});

describe("a frame with a subject and metadata", () => {
  it("comes back as it was written", () => {
    fc.assert(
      fc.property(
        headers,
        bytes,
        fc.option(text, { nil: undefined }),
        metadata,
        (header, payload, subject, meta) => {
          const frame = encodeFrame(header, payload, subject === undefined ? { meta } : { subject, meta });
          assert.equal(verifyFrame(frame), "valid");
          const view = decodeFrame(frame, false, new FrameView());
          assert.deepEqual(headerOf(view), header);
          assert.deepEqual(view.payload, payload);
          assert.equal((view.payload.byteOffset - frame.byteOffset) % 8, 0);
          assert.equal(view.subject, subject);
          assert.deepEqual(view.meta, meta);
        },
      ),
    );
  });

  it("is read from shared memory, where it lies", () => {
    const frame = encodeFrame(header, Uint8Array.of(1, 2, 3), { subject: "räume.1" });
    const shared = new Uint8Array(new SharedArrayBuffer(frame.length + 24), 13, frame.length);
    shared.set(frame);
    const view = decodeFrame(shared, false, new FrameView());
    assert.equal(view.subject, "räume.1");
    assert.equal(view.payload.buffer, shared.buffer);
  });

  it("is not decoded before it is asked for, and then once", (t) => {
    const texts = t.mock.method(TextDecoder.prototype, "decode");
    const frame = encodeFrame(header, Uint8Array.of(1), {
      subject: "a",
      meta: [{ key: "ö", value: Uint8Array.of(2) }],
    });
    const view = decodeFrame(frame, false, new FrameView());
    assert.deepEqual([...view.payload], [1]);
    assert.equal(texts.mock.callCount(), 0);
    assert.deepEqual([view.subject, view.meta.length, view.subject], ["a", 1, "a"]);
    assert.equal(texts.mock.callCount(), 2); // the key is one
  });

  it("keeps a byte order mark that a text begins with", () => {
    const meta = [{ key: "\ufeffk", value: new Uint8Array(0) }];
    const frame = encodeFrame(header, Uint8Array.of(1), { subject: "\ufeffa", meta });
    const view = decodeFrame(frame, false, new FrameView());
    assert.deepEqual([view.subject, view.meta[0]?.key], ["\ufeffa", "\ufeffk"]);
  });

  it("leaves nothing behind in the object for the next frame", () => {
    const into = new FrameView();
    decodeFrame(encodeFrame(header, Uint8Array.of(1), { subject: "a", meta: [] }), false, into);
    decodeFrame(encodeFrame(header, Uint8Array.of(2)), false, into);
    assert.deepEqual([into.subject, into.meta, [...into.payload]], [undefined, [], [2]]);
  });
});

describe("a frame that lies among others in a ring", () => {
  /** At `offset` in a memory of canaries. */
  function placedAt(offset: number, frame: Uint8Array) {
    const ring = new SharedArrayBuffer(offset + ((frame.length + 7) & -8) + 64);
    const all = new Uint8Array(ring).fill(canary);
    all.set(frame, offset);
    const { length } = frame;
    const views: number[] = [];
    const bytes = (): Uint8Array => {
      views.push(length);
      return all.subarray(offset, offset + length);
    };
    return { placed: { ring, words: new Int32Array(ring), offset, length, bytes }, views };
  }

  it("is decoded where it lies, without a view of it being made", () => {
    fc.assert(
      fc.property(headers, bytes, fc.integer({ min: 0, max: 20 }), (header, payload, place) => {
        const { placed, views } = placedAt(place * 8, encodeFrame(header, payload));
        const view = decodePlaced(placed, false, new FrameView());
        assert.deepEqual(headerOf(view), header);
        assert.deepEqual([...view.payload], [...payload]);
        assert.equal(view.payload.buffer, placed.ring);
        assert.deepEqual(views, []);
      }),
    );
  });

  it("is verified as one of its own is", () => {
    for (const [name, bytes] of Object.entries<Uint8Array>({ ...validFrames, ...hostileFrames })) {
      const alone = outcomeOf(() => decodeFrame(bytes, false, new FrameView()));
      const { placed } = placedAt(64, bytes);
      assert.deepEqual(
        outcomeOf(() => decodePlaced(placed, false, new FrameView())),
        alone,
        name,
      );
    }
  });

  it("gives the payload that was verified, whoever writes over its length afterwards", () => {
    const { placed } = placedAt(64, encodeFrame(header, Uint8Array.of(1, 2, 3)));
    const view = decodePlaced(placed, false, new FrameView());
    placed.words.fill(0x7fff_ffff, 16, 28);
    assert.deepEqual([...view.payload], [1, 2, 3]);
    assert.throws(() => decodePlaced(placed, false, new FrameView()), FrameMalformedError);
  });
});

function outcomeOf(decode: () => FrameView): unknown {
  try {
    const view = decode();
    return [headerOf(view), [...view.payload], view.subject, view.meta];
  } catch (error) {
    assert.ok(error instanceof FrameMalformedError);
    return error.message;
  }
}

const canary = 0xc7;

/** A frame in the middle of a buffer of canaries, as one lies in a pool. */
function amongNeighbours(frame: Uint8Array): Uint8Array {
  const buffer = new Uint8Array(frame.length + 512).fill(canary);
  buffer.set(frame, 256);
  return buffer.subarray(256, 256 + frame.length);
}

function isInside(part: Uint8Array, frame: Uint8Array): boolean {
  if (part.length === 0) return true;
  const start = part.byteOffset - frame.byteOffset;
  return part.buffer === frame.buffer && start >= 0 && start + part.length <= frame.length;
}

/** Decodes hostile bytes; only a typed error may come of it, or bytes of the frame's own. */
function decodeHostile(frame: Uint8Array): void {
  const view = new FrameView();
  try {
    decodeFrame(frame, false, view);
  } catch (error) {
    assert.ok(error instanceof FrameMalformedError, String(error));
    return;
  }
  assert.ok(isInside(view.payload, frame), "the payload is the frame's own bytes");
  for (const { value } of view.meta) assert.ok(isInside(value, frame), "so is every value");
  assert.ok((view.subject?.length ?? 0) <= frame.length);
}

describe("hostile bytes", () => {
  it("of the corpus end in a typed error", () => {
    for (const [name, frame] of Object.entries(hostileFrames)) {
      assert.throws(
        () => decodeFrame(amongNeighbours(frame), false, new FrameView()),
        FrameMalformedError,
        name,
      );
    }
  });

  it("made by spoiling words of good frames never reach outside of the frame", () => {
    const seeds = Object.values(validFrames).filter((frame) => frame.length < 2_000);
    const words = fc.oneof(u32, fc.integer({ min: 0, max: 200 }), fc.constantFrom(0x7fff_ffff, 0x8000_0000));
    const spoilt = fc.record({
      seed: fc.constantFrom(...seeds),
      words: fc.array(fc.tuple(fc.nat(), words), { maxLength: 3 }),
      bytes: fc.array(fc.tuple(fc.nat(), byte), { maxLength: 3 }),
    });
    fc.assert(
      fc.property(spoilt, ({ seed, words, bytes }) => {
        const frame = amongNeighbours(seed);
        const view = new DataView(frame.buffer, frame.byteOffset, frame.length);
        for (const [place, value] of words) view.setUint32((4 * place) % (frame.length - 4), value, true);
        for (const [place, value] of bytes) frame[place % frame.length] = value;
        view.setUint32(0, frame.length - 4, true); // or nearly all would fail at the size
        decodeHostile(frame);
      }),
      { numRuns: 20_000 },
    );
  });

  it("cut short anywhere are refused", () => {
    for (const [name, frame] of Object.entries(validFrames)) {
      if (frame.length > 2_000) continue;
      for (let end = 0; end < frame.length; end++) {
        const cut = amongNeighbours(frame.subarray(0, end));
        assert.throws(
          () => decodeFrame(cut, false, new FrameView()),
          FrameMalformedError,
          `${name} at ${end}`,
        );
      }
    }
  });
});
