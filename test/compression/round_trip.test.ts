import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { deflateSync } from "node:zlib";
import fc from "fast-check";
import { CompressionUnavailableError, FrameMalformedError, FrameTooLargeError } from "millrace";
import { brotli, type Compression, deflate, zstd } from "millrace/compression";
import { deflate as pageDeflate } from "#internal/compression/browser.js";
import type { SessionCompression } from "#internal/delivery/compression.js";
import { CompressionCode } from "#internal/frame/compressed_payload.js";
import { compressions } from "#internal/frame/compression.js";
import type { FrameContents } from "#internal/frame/frame.js";
import { dictionary, frameOf, message } from "./kit.js";

const MIB = 1024 * 1024;
const thresholdBytes = 1;

/** Who compresses, and who opens it. */
const pairs: Readonly<Record<string, readonly [Compression, Compression]>> = {
  "by deflate": [deflate({ thresholdBytes }), deflate()],
  "by deflate, for a page": [deflate({ thresholdBytes }), pageDeflate()],
  "by a page's deflate": [pageDeflate({ thresholdBytes }), deflate()],
  "by deflate with a dictionary": [deflate({ thresholdBytes, dictionary }), deflate({ dictionary })],
  "by deflate with a dictionary, for a page": [
    deflate({ thresholdBytes, dictionary }),
    pageDeflate({ dictionary }),
  ],
  "by a page's deflate with a dictionary": [
    pageDeflate({ thresholdBytes, dictionary }),
    deflate({ dictionary }),
  ],
  ...zstdWithDictionary(),
  "by brotli": [brotli({ thresholdBytes }), brotli()],
  ...(compressions.includes(CompressionCode.zstd) && {
    "by zstd": [zstd({ thresholdBytes }), zstd()] as const,
  }),
};

/** Of the versions that have zstd the newer ones take it. */
function zstdWithDictionary(): typeof pairs {
  try {
    return {
      "by zstd with a dictionary": [zstd({ thresholdBytes, dictionary }), zstd({ dictionary })],
    };
  } catch (cause) {
    assert.ok(cause instanceof CompressionUnavailableError, String(cause));
    return {};
  }
}

/** The other side's; what is received is counted by a connection, which there is none of. */
function open(compression: Compression, frame: Readonly<FrameContents>, maxBytes = MIB): FrameContents {
  const carrier = { send: () => "sent" as const, bytesQueued: 0 };
  return (compression as SessionCompression).carry(carrier, undefined).compressing!.open(frame, maxBytes);
}

/** Of every sort: repeated, of few letters, of any bytes. */
const payloads = fc.oneof(
  fc.uint8Array({ maxLength: 3_000 }),
  fc
    .tuple(fc.uint8Array({ minLength: 1, maxLength: 60 }), fc.integer({ min: 1, max: 2_000 }))
    .map(([unit, times]) => Buffer.concat(Array.from({ length: times }, () => unit))),
  fc.array(fc.nat(10_000), { maxLength: 100 }).map((ids) => Buffer.from(ids.map(message).join("\n"))),
);

for (const [how, [ours, theirs]] of Object.entries(pairs)) {
  const compress = (payload: Uint8Array) => (ours as SessionCompression).compress(frameOf(payload));

  describe(`a payload compressed ${how}`, () => {
    test("comes back as it was, and with all that its frame says", () => {
      let compressed = 0;
      fc.assert(
        fc.property(payloads, (payload) => {
          const frame = compress(payload);
          if (frame.flags === 0) return;
          compressed += 1;
          assert.ok(frame.payload.length <= (payload.length * 7) / 8);
          const opened = open(theirs, frame);
          assert.deepEqual(opened, { ...frame, flags: 0, payload: new Uint8Array(payload) });
        }),
      );
      assert.ok(compressed > 20, `${compressed} of 100`);
    });

    test("is nothing worse than malformed when it is spoilt, and never more than it says", () => {
      const texts = fc.integer({ min: 0, max: 10_000 }).map((id) => Buffer.from(message(id).repeat(3)));
      const spoiling = fc.array(fc.tuple(fc.nat(10_000), fc.nat(255)), { minLength: 1, maxLength: 4 });
      fc.assert(
        fc.property(texts, spoiling, fc.option(fc.nat(400)), (text, changes, cut) => {
          const frame = compress(text);
          const spoilt = new Uint8Array(frame.payload).subarray(0, cut ?? frame.payload.length);
          for (const [at, value] of changes) if (at % 500 < spoilt.length) spoilt[at % 500] = value;
          try {
            const said = new DataView(spoilt.buffer).getUint32(0, true);
            assert.equal(open(theirs, { ...frame, payload: spoilt }, 4_096).payload.length, said);
            assert.ok(said <= 4_096);
          } catch (cause) {
            assert.ok(
              cause instanceof FrameMalformedError || cause instanceof FrameTooLargeError,
              String(cause),
            );
          }
        }),
        { numRuns: 300 },
      );
    });
  });
}

describe("a page", () => {
  test("stops where a payload becomes more than it says", () => {
    const zeros = deflateSync(new Uint8Array(64 * MIB));
    const payload = new Uint8Array(4 + zeros.length);
    new DataView(payload.buffer).setUint32(0, 1_000, true);
    payload.set(zeros, 4);
    const before = process.resourceUsage().maxRSS;
    const frame = { ...frameOf(payload), flags: CompressionCode.deflate };
    assert.throws(() => open(pageDeflate(), frame), FrameMalformedError);
    const grownKiB = process.resourceUsage().maxRSS - before;
    assert.ok(grownKiB < 48 * 1024, `${grownKiB} KiB`);
  });

  test("refuses what another dictionary than its own was for", () => {
    const frame = (deflate({ thresholdBytes, dictionary }) as SessionCompression).compress(
      frameOf(Buffer.from(message(1))),
    );
    for (const other of [pageDeflate(), pageDeflate({ dictionary: message(500).repeat(2) })]) {
      assert.throws(() => open(other, frame), FrameMalformedError);
    }
  });
});
