import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import {
  type Chunk,
  chunkBytesInUse,
  chunkBytesUnused,
  freeChunk,
  takeChunk,
} from "#internal/delivery/chunk.js";

const mebibytes = 1024 * 1024;

/** Whether two pieces lie over each other. */
function overlap(a: Chunk, b: Chunk): boolean {
  return a.memory === b.memory && a.base < b.limit && b.base < a.limit;
}

describe("memory for what was sent", () => {
  it("is nobody else's while it is in use, large enough, empty, and all there again in the end", () => {
    const steps = fc.array(fc.record({ bytes: fc.nat(100_000), frees: fc.nat(10), which: fc.nat() }), {
      maxLength: 60,
    });
    fc.assert(
      fc.property(steps, (taken) => {
        const before = chunkBytesInUse();
        const used: Chunk[] = [];
        for (const { bytes, frees, which } of taken) {
          const chunk = takeChunk(bytes, 0);
          assert.ok(chunk.size >= bytes && chunk.limit <= chunk.bytes.length);
          assert.equal(chunk.base % 8, 0);
          assert.deepEqual([chunk.start, chunk.end, chunk.next], [chunk.base, chunk.base, undefined]);
          assert.ok(used.every((other) => !overlap(other, chunk)));
          used.push(chunk);
          chunk.start = chunk.limit;
          chunk.end = chunk.limit;
          if (frees < 4) freeChunk(used.splice(which % used.length, 1)[0]!);
        }
        for (const chunk of used) freeChunk(chunk);
        assert.equal(chunkBytesInUse(), before);
      }),
    );
  });

  it("is shared by many small pieces, so that one after the other is taken from the same", () => {
    const chunks = Array.from({ length: 64 }, () => takeChunk(1_000, 0));
    assert.ok(new Set(chunks.map(({ memory }) => memory)).size <= 5);
    for (const chunk of chunks) freeChunk(chunk);
  });

  it("is left to the garbage collector beyond 32 MiB that nobody uses, and a slab of each size", () => {
    for (const size of [1_024, 65_536]) {
      const chunks = Array.from({ length: (64 * mebibytes) / size }, () => takeChunk(size, 0));
      for (const chunk of chunks) freeChunk(chunk);
      assert.ok(chunkBytesUnused() <= 33 * mebibytes, `${chunkBytesUnused()} bytes`);
      assert.ok(chunkBytesUnused() > 16 * mebibytes, `${chunkBytesUnused()} bytes`);
    }
  });

  it("is told where it is unused beside what is in use, and is little", () => {
    const before = chunkBytesInUse();
    const chunks = Array.from({ length: 32 * 1_024 }, () => takeChunk(1_000, 0));
    const kept = chunks.filter((_, index) => index % 64 === 0);
    for (const chunk of chunks) if (!kept.includes(chunk)) freeChunk(chunk);
    const beside = new Set(kept.map(({ memory }) => memory));
    const besideBytes = [...beside].reduce((sum, { byteLength }) => sum + byteLength, 0);
    assert.ok(besideBytes <= 16 * kept.length * 1_024, `${besideBytes} bytes`);
    assert.ok(
      chunkBytesUnused() >= besideBytes - (chunkBytesInUse() - before),
      `${chunkBytesUnused()} bytes`,
    );
    for (const chunk of kept) freeChunk(chunk);
  });

  it("is taken where some is in use already, so that what is unused can be let go", () => {
    const slabs = Array.from({ length: 3 * 4 }, () => takeChunk(65_000, 0));
    const [kept] = slabs.splice(4, 1);
    for (const chunk of slabs) freeChunk(chunk);
    const more = Array.from({ length: 3 }, () => takeChunk(65_000, 0));
    assert.ok(more.every(({ memory }) => memory === kept!.memory));
    for (const chunk of [kept!, ...more]) freeChunk(chunk);
  });
});
