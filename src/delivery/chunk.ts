/**
 * Memory for what was sent, in pieces that all sessions share: a session that has nothing on its way holds none.
 */

/** A piece that frames lie in, one after the other, each at a multiple of 8. */
export class Chunk {
  readonly memory: ArrayBuffer;
  readonly bytes: Uint8Array;
  readonly words: Int32Array;
  /** Where the first frame begins. */
  start = 0;
  /** Where the next one goes. */
  end = 0;
  next: Chunk | undefined = undefined;

  /** @param bytes a multiple of 8. */
  constructor(bytes: number) {
    this.memory = new ArrayBuffer(bytes);
    this.bytes = new Uint8Array(this.memory);
    this.words = new Int32Array(this.memory);
  }
}

/** A lane takes one as large as what it has on its way already, so that it never holds much more than that. */
const sizes = [1024, 4096, 16_384, 65_536] as const;
const largest = sizes[sizes.length - 1]!;

/** What is kept for the next who needs it; the rest is left to the garbage collector. */
const maxFreeBytes = 32 * 1024 * 1024;

const free: Chunk[][] = sizes.map(() => []);
let freeBytes = 0;
let usedBytes = 0;

/**
 * @param bytes that must fit.
 * @param held what lies in other pieces of the same lane.
 */
export function takeChunk(bytes: number, held: number): Chunk {
  if (bytes > largest) return newChunk(Math.ceil(bytes / 8) * 8);
  let index = 0;
  while (sizes[index]! < bytes || (sizes[index]! < held && sizes[index] !== largest)) index += 1;
  const size = sizes[index]!;
  const chunk = free[index]!.pop();
  if (chunk === undefined) return newChunk(size);
  freeBytes -= size;
  usedBytes += size;
  return chunk;
}

function newChunk(bytes: number): Chunk {
  usedBytes += bytes;
  return new Chunk(bytes);
}

/** Gives one back that nobody uses any more. */
export function freeChunk(chunk: Chunk): void {
  const size = chunk.bytes.length;
  usedBytes -= size;
  const index = sizes.indexOf(size as (typeof sizes)[number]);
  if (index < 0 || freeBytes + size > maxFreeBytes) return;
  chunk.start = 0;
  chunk.end = 0;
  chunk.next = undefined;
  freeBytes += size;
  free[index]!.push(chunk);
}

/** Bytes of all pieces in use, in this environment. */
export function chunkBytesInUse(): number {
  return usedBytes;
}
