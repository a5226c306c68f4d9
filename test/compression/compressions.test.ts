import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { brotliCompressSync } from "node:zlib";
import { CompressionUnavailableError, FrameMalformedError, InvalidArgumentError } from "millrace";
import { brotli, type Compression, deflate, zstd } from "millrace/compression";
import * as page from "#internal/compression/browser.js";
import { looksLikeNoise } from "#internal/compression/noise.js";
import type { SessionCompression } from "#internal/delivery/compression.js";
import { readSize, withSize } from "#internal/frame/compressed_payload.js";
import { compressions } from "#internal/frame/compression.js";
import { Kind } from "#internal/frame/frame.js";
import { dictionary, message, squeeze } from "./kit.js";

const hasZstd = compressions.length === 3;
const dictionaries = zstdDictionaries();

/** What this Node.js can do. */
const all: Readonly<Record<string, (options?: { level?: number; thresholdBytes?: number }) => Compression>> =
  {
    deflate,
    brotli,
    "a page's deflate": page.deflate,
    ...(hasZstd && { zstd }),
  };

/** It takes some of the versions that have zstd. */
function zstdDictionaries(): boolean {
  try {
    zstd({ dictionary });
    return true;
  } catch (cause) {
    assert.ok(cause instanceof CompressionUnavailableError, String(cause));
    return false;
  }
}

for (const [name, make] of Object.entries(all)) {
  describe(`compression by ${name}`, () => {
    test("begins at its threshold, which is 1,024 bytes unless it is told otherwise", () => {
      const sizes = (compression: Compression) =>
        [99, 100, 1_023, 1_024].map((bytes) => squeeze(compression, new Uint8Array(bytes)) !== undefined);
      assert.deepEqual(sizes(make()), [false, false, false, true]);
      assert.deepEqual(sizes(make({ thresholdBytes: 100 })), [false, true, true, true]);
    });

    test("is smaller by a higher level", () => {
      const text = readFileSync(join(import.meta.dirname, "../../../docs/wire.md"));
      const [quick, small] = [1, 9].map((level) => squeeze(make({ level }), text)!.length);
      assert.ok(small! < quick!, `${small} and ${quick}`);
    });

    test("leaves what it does not make smaller by an eighth, and what is no payload of the application's", () => {
      const compression = make({ thresholdBytes: 1 }) as SessionCompression;
      const noise = randomBytes(120); // too little to be seen as such
      const almost = Buffer.concat([noise, Buffer.alloc(10)]);
      assert.equal(squeeze(compression, almost), undefined);
      assert.notEqual(squeeze(compression, Buffer.concat([noise, Buffer.alloc(200)])), undefined);
      const header = { flags: 0, channel: 0, type: 0, seq: 1, ref: 0, payload: new Uint8Array(5_000) };
      for (const kind of [Kind.Hello, Kind.Ack, Kind.Subscribe, Kind.Gap]) {
        const frame = { ...header, kind };
        assert.equal(compression.compress(frame), frame);
      }
    });

    test("refuses options that are none", () => {
      for (const wrong of [{ level: 12.5 }, { level: 99 }, { thresholdBytes: 0 }, { quality: 3 } as never]) {
        assert.throws(() => make(wrong), InvalidArgumentError);
      }
    });
  });
}

describe("a dictionary", () => {
  const makers = [deflate, page.deflate, ...(dictionaries ? [zstd] : [])];

  test("makes small messages smaller, and is known by its contents", () => {
    for (const make of makers) {
      const [without, having] = [make({ thresholdBytes: 1 }), make({ thresholdBytes: 1, dictionary })];
      const text = Buffer.from(message(77));
      const plainly = squeeze(without, text)?.length ?? text.length;
      assert.ok(squeeze(having, text)!.length * 2 < plainly, `${plainly} bytes without`);
      const ids = [undefined, dictionary, Buffer.from(dictionary), `${dictionary}!`].map((given) =>
        String((make({ dictionary: given }) as SessionCompression).id),
      );
      assert.equal(ids[1], ids[2]);
      assert.equal(new Set(ids).size, 3);
    }
    const [here, there] = [deflate, page.deflate].map((make) => make({ dictionary }) as SessionCompression);
    assert.deepEqual(here!.id, there!.id);
    assert.equal(Buffer.from(here!.id).toString("hex"), `01${fnv1a(dictionary)}`);
  });

  test("is taken as it is when it is given", () => {
    const bytes = Buffer.from(dictionary);
    const compression = deflate({ thresholdBytes: 1, dictionary: bytes });
    const before = squeeze(compression, Buffer.from(message(1)));
    bytes.fill(0);
    assert.deepEqual(squeeze(compression, Buffer.from(message(1))), before);
  });

  test("has bounds, and brotli has none", () => {
    for (const make of makers) {
      for (const wrong of ["", "1234567", new Uint8Array(2 * 1024 * 1024), 5 as never]) {
        assert.throws(() => make({ dictionary: wrong }), InvalidArgumentError);
      }
    }
    assert.throws(() => deflate({ dictionary: new Uint8Array(32_769) }), /8 to 32768 bytes/);
    assert.throws(() => brotli({ dictionary } as never), /there is no option "dictionary"/);
  });
});

describe("what a platform does not have", () => {
  test("is refused when it is asked for, with what there is instead", () => {
    for (const missing of [page.brotli, page.zstd]) {
      assert.throws(() => missing(), CompressionUnavailableError);
      assert.throws(() => missing(), /use deflate/);
    }
    if (!hasZstd) assert.throws(() => zstd(), /needs Node\.js 22\.15/);
    else if (!dictionaries) assert.throws(() => zstd({ dictionary }), /22\.19/);
    else assert.equal(zstd({ dictionary }).name, "zstd");
  });
});

test("a megabyte that brotli makes some bytes goes as it is, and is refused unread where it comes", () => {
  const bytes = new Uint8Array(2 ** 20);
  assert.equal(squeeze(brotli(), bytes), undefined);
  assert.notEqual(squeeze(deflate(), bytes), undefined);
  const few = withSize(bytes.length, brotliCompressSync(bytes));
  assert.throws(() => readSize(few, bytes.length), FrameMalformedError);
});

describe("noise", () => {
  test("is told from content by a look at a few bytes", () => {
    for (const bytes of [256, 1_000, 16_384, 1_000_000])
      assert.equal(looksLikeNoise(randomBytes(bytes)), true);
    const text = Buffer.from(Array.from({ length: 100 }, (_, id) => message(id)).join());
    for (const content of [text, Buffer.from(randomBytes(9_000).toString("base64")), new Uint8Array(9_000)]) {
      assert.equal(looksLikeNoise(content), false);
    }
    assert.equal(looksLikeNoise(randomBytes(255)), false, "which is too little to tell");
  });
});

/** As it is written down everywhere, on 64 bits, little-endian. */
function fnv1a(text: string): string {
  let hash = 14695981039346656037n;
  for (const byte of Buffer.from(text)) hash = ((hash ^ BigInt(byte)) * 1099511628211n) % 2n ** 64n;
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(hash);
  return bytes.toString("hex");
}
