import assert from "node:assert/strict";
import { once } from "node:events";
import type { Transform } from "node:stream";
import { describe, it } from "node:test";
import * as zlib from "node:zlib";
import { brotliCompressSync, constants, createBrotliCompress, createDeflate, deflateSync } from "node:zlib";
import fc from "fast-check";
import {
  CloseCode,
  type CloseInfo,
  type Connection,
  FrameMalformedError,
  FrameTooLargeError,
  InvalidArgumentError,
  listen,
  ProtocolViolationError,
} from "millrace";
import { WebSocket } from "ws";
import { batchFlag, decodeBatch, encodeBatch, maxBatchMessages } from "#internal/frame/batch.js";
import { CompressionCode } from "#internal/frame/compressed_payload.js";
import { compressions, compressPayload, decompressPayload } from "#internal/frame/compression.js";
import { encodeFrame } from "#internal/frame/frame.js";
import { deferred } from "../kit/deferred.js";

const MIB = 1024 * 1024;
const names = new Map(Object.entries(CompressionCode).map(([name, value]) => [value as number, name]));

/** A compressed payload by its parts. */
function payloadOf(size: number, compressed: Uint8Array): Uint8Array {
  const payload = new Uint8Array(4 + compressed.length);
  new DataView(payload.buffer).setUint32(0, size, true);
  payload.set(compressed, 4);
  return payload;
}

/** The types of Node.js 20 do not know it. */
const { createZstdCompress } = zlib as unknown as { readonly createZstdCompress: () => Transform };

function compressor(compression: number): Transform {
  if (compression === CompressionCode.deflate) return createDeflate();
  if (compression === CompressionCode.zstd) return createZstdCompress();
  return createBrotliCompress({ params: { [constants.BROTLI_PARAM_QUALITY]: 3 } });
}

/** What 256 MiB of zeros are compressed, made without holding them. */
async function bomb(compression: number): Promise<Uint8Array> {
  const stream = compressor(compression);
  const chunks: Buffer[] = [];
  stream.on("data", (chunk: Buffer) => chunks.push(chunk));
  const zeros = Buffer.alloc(MIB);
  for (let i = 0; i < 256; i++) {
    if (!stream.write(zeros)) await once(stream, "drain");
  }
  stream.end();
  await once(stream, "end");
  return Buffer.concat(chunks);
}

describe("the compressions", () => {
  it("are deflate and brotli everywhere, and zstd where Node.js has it", () => {
    const [major, minor] = process.versions.node.split(".").map(Number) as [number, number];
    const hasZstd = major > 23 || (major === 22 && minor >= 15) || (major === 23 && minor >= 8);
    assert.deepEqual(compressions, hasZstd ? [1, 2, 3] : [1, 2]);
  });

  it("that are not known here are refused", () => {
    for (const compression of [4, 5, 6, 7]) {
      assert.throws(() => decompressPayload(new Uint8Array(8), compression, 100), ProtocolViolationError);
    }
  });
});

for (const compression of compressions) {
  describe(`a payload compressed with ${names.get(compression)}`, () => {
    const content = new TextEncoder().encode("a text, a text, a text ".repeat(100));

    it("comes back as it was, and is smaller in between", () => {
      fc.assert(
        fc.property(fc.uint8Array({ maxLength: 2_000 }), (bytes) => {
          const payload = compressPayload(bytes, compression);
          assert.deepEqual(new Uint8Array(decompressPayload(payload, compression, 2_000)), bytes);
        }),
      );
      assert.ok(compressPayload(content, compression).length < content.length / 4);
    });

    it("is taken up to the limit, and refused by its size above it", () => {
      const payload = compressPayload(content, compression);
      assert.equal(decompressPayload(payload, compression, content.length).length, content.length);
      assert.throws(() => decompressPayload(payload, compression, content.length - 1), FrameTooLargeError);
    });

    it("is refused where it is not what its size says", () => {
      const compressed = compressPayload(content, compression).subarray(4);
      for (const size of [0, content.length - 1, content.length + 1]) {
        const payload = payloadOf(size, compressed);
        assert.throws(() => decompressPayload(payload, compression, MIB), FrameMalformedError, `${size}`);
      }
    });

    it("is refused where it is damaged, cut short, or has more behind it", () => {
      const payload = compressPayload(content, compression);
      const longer = new Uint8Array(payload.length + 1);
      longer.set(payload);
      const damaged = payload.slice();
      damaged.fill(0xff, 4, 12);
      for (const wrong of [
        damaged,
        longer,
        payload.subarray(0, -1),
        payload.subarray(0, 4),
        new Uint8Array(3),
      ]) {
        assert.throws(() => decompressPayload(wrong, compression, MIB), FrameMalformedError);
      }
    });
  });
}

for (const compression of compressions) {
  it(`a bomb of ${names.get(compression)} ends at the cap, and so does the memory it takes`, async () => {
    const payload = payloadOf(MIB, await bomb(compression));
    assert.ok(payload.length < MIB, "small enough to be let in");
    const before = process.resourceUsage().maxRSS;
    for (let i = 0; i < 20; i++) {
      assert.throws(() => decompressPayload(payload, compression, MIB), FrameMalformedError);
    }
    const grownKiB = process.resourceUsage().maxRSS - before;
    assert.ok(grownKiB < 96 * 1024, `${grownKiB} KiB, where all of it would be ${256 * 1024} each time`);
  });
}

describe("a batch", () => {
  it("comes back as it was, each payload aligned to 8", () => {
    const messages = fc.array(
      fc.record(
        { type: fc.integer({ min: 0, max: 0xffff_ffff }), payload: fc.uint8Array({ maxLength: 60 }) },
        { noNullPrototype: true },
      ),
      { minLength: 1, maxLength: 20 },
    );
    fc.assert(
      fc.property(messages, (messages) => {
        const batch = encodeBatch(messages);
        const decoded = decodeBatch(batch);
        assert.deepEqual(decoded, messages);
        for (const { payload } of decoded) assert.equal((payload.byteOffset - batch.byteOffset) % 8, 0);
      }),
    );
  });

  it("has 1 to 1,024 messages", () => {
    const message = { type: 0, payload: new Uint8Array(0) };
    const most = encodeBatch(new Array(maxBatchMessages).fill(message));
    assert.equal(decodeBatch(most).length, maxBatchMessages);
    assert.throws(() => encodeBatch([]), InvalidArgumentError);
    assert.throws(() => encodeBatch(new Array(maxBatchMessages + 1).fill(message)), InvalidArgumentError);
    assert.throws(() => decodeBatch(new Uint8Array(0)), FrameMalformedError);
    assert.throws(() => decodeBatch(new Uint8Array(8 * (maxBatchMessages + 1))), FrameMalformedError);
  });

  it("is refused whole where a message in it is not", () => {
    const batch = encodeBatch([
      { type: 1, payload: Uint8Array.of(1) },
      { type: 2, payload: Uint8Array.of(2) },
    ]);
    for (let end = 0; end < batch.length; end++) {
      if (end === 16) continue; // the first message alone
      assert.throws(() => decodeBatch(batch.subarray(0, end)), FrameMalformedError, `${end}`);
    }
    for (const length of [9, 0xffff_fff8, 0xffff_ffff]) {
      const wrong = batch.slice();
      new DataView(wrong.buffer).setUint32(16, length, true);
      assert.throws(() => decodeBatch(wrong), FrameMalformedError, `${length}`);
    }
  });
});

/** What becomes of a message frame with these flags. */
async function receive(flags: number, payload: Uint8Array): Promise<{ messages: string[]; info: CloseInfo }> {
  const messages: string[] = [];
  const ended = deferred<CloseInfo>();
  const listener = await listen(
    "ws://127.0.0.1:0",
    {
      message(_connection: Connection, message: Uint8Array) {
        const text = new TextDecoder().decode(message);
        if (text === "end") socket.close();
        else messages.push(text);
      },
      close: (_connection, info) => ended.resolve(info),
    },
    { maxMessageBytes: 1_000 },
  );
  const socket = new WebSocket(listener.urls[0]!, "millrace.v1");
  await once(socket, "open");
  const header = { kind: 4, flags: 0, channel: 0, type: 0, seq: 0, ref: 0 };
  socket.send(encodeFrame({ ...header, flags }, payload));
  socket.send(encodeFrame(header, new TextEncoder().encode("end")));
  const info = await ended.promise;
  await listener.close();
  return { messages, info };
}

describe("a frame whose flags say", () => {
  const bytes = (text: string) => new TextEncoder().encode(text);
  const batch = encodeBatch(["one", "two"].map((text) => ({ type: 0, payload: bytes(text) })));

  it("that it is compressed is delivered as the message that it was", async () => {
    for (const compression of compressions) {
      const { messages } = await receive(compression, compressPayload(bytes("hello"), compression));
      assert.deepEqual(messages, ["hello"]);
    }
  });

  it("that it is a batch is delivered message by message, compressed or not", async () => {
    assert.deepEqual((await receive(batchFlag, batch)).messages, ["one", "two"]);
    const both = batchFlag | CompressionCode.deflate;
    assert.deepEqual((await receive(both, compressPayload(batch, CompressionCode.deflate))).messages, [
      "one",
      "two",
    ]);
  });

  it("that it is compressed, but is larger than messages may be, ends the connection", async () => {
    const big = new Uint8Array(1_001);
    for (const payload of [
      compressPayload(big, CompressionCode.brotli),
      payloadOf(1_001, brotliCompressSync(new Uint8Array(5_000))),
    ]) {
      const { info } = await receive(CompressionCode.brotli, payload);
      assert.equal(info.code, CloseCode.frameTooLarge);
      assert.ok(info.error instanceof FrameTooLargeError);
    }
  });

  it("that it is compressed, but is damaged, ends the connection", async () => {
    const { info } = await receive(CompressionCode.deflate, payloadOf(10, deflateSync(new Uint8Array(11))));
    assert.equal(info.code, CloseCode.frameMalformed);
  });

  it("what is not known here ends the connection", async () => {
    for (const flags of [0x10, 0x40, 0x07]) {
      assert.equal((await receive(flags, new Uint8Array(8))).info.code, CloseCode.protocolViolation);
    }
  });
});
