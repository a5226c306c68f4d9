/**
 * Memory for what was sent, in pieces that all sessions share: a session that has nothing on its way holds none.
 *
 * ```text
 * slab   │ chunk │ chunk │ free  │ chunk │    pieces of one size, side by side
 * ```
 */

/** One memory for many pieces: what describes it to the language stays in the processor's cache, as one's own would not. */
class Slab {
  readonly memory: ArrayBuffer;
  readonly bytes: Uint8Array;
  readonly words: Int32Array;
  /** Pieces that nobody uses. */
  readonly free: Chunk[] = [];
  /** Where it is among those of its size that have such pieces. */
  place = 0;

  constructor(bytes: number, chunkBytes: number) {
    this.memory = new ArrayBuffer(bytes);
    this.bytes = new Uint8Array(this.memory);
    this.words = new Int32Array(this.memory);
    for (let base = bytes - chunkBytes; base >= 0; base -= chunkBytes) {
      this.free.push(new Chunk(this, base, base + chunkBytes));
    }
  }

  get isUnused(): boolean {
    return this.free.length > 0 && this.free.length * this.free[0]!.size === this.bytes.length;
  }
}

/** A piece that frames lie in, one after the other, each at a multiple of 8. */
export class Chunk {
  /** Of all pieces that lie in it, this one between `base` and `limit`. */
  readonly memory: ArrayBuffer;
  readonly bytes: Uint8Array;
  readonly words: Int32Array;
  readonly slab: Slab;
  readonly base: number;
  readonly limit: number;
  /** Where the first frame begins. */
  start: number;
  /** Where the next one goes. */
  end: number;
  next: Chunk | undefined = undefined;

  constructor(slab: Slab, base: number, limit: number) {
    this.slab = slab;
    this.memory = slab.memory;
    this.bytes = slab.bytes;
    this.words = slab.words;
    this.base = base;
    this.limit = limit;
    this.start = base;
    this.end = base;
  }

  get size(): number {
    return this.limit - this.base;
  }
}

/** A lane takes one as large as what it has on its way already, so that it never holds much more than that. */
const sizes = [1024, 4096, 16_384, 65_536] as const;
const largest = sizes[sizes.length - 1]!;
/** What pieces of each size lie in: so little where few sessions send little. */
const slabBytes = [65_536, 262_144, 262_144, 262_144] as const;

/** What is kept for the next who needs it, of slabs without any piece in use; the rest is left to the garbage collector. */
const maxUnusedBytes = 32 * 1024 * 1024;

/** Of each size, those with free pieces; the last is taken from. */
const slabs: Slab[][] = sizes.map(() => []);
let unusedBytes = 0;
let usedBytes = 0;

/**
 * @param bytes that must fit.
 * @param held what lies in other pieces of the same lane.
 */
export function takeChunk(bytes: number, held: number): Chunk {
  if (bytes > largest) return takeOwn(Math.ceil(bytes / 8) * 8);
  let index = 0;
  while (sizes[index]! < bytes || (sizes[index]! < held && sizes[index] !== largest)) index += 1;
  const size = sizes[index]!;
  const slab = slabs[index]!.at(-1) ?? addSlab(index);
  if (slab.isUnused) unusedBytes -= slab.bytes.length;
  usedBytes += size;
  const chunk = slab.free.pop()!;
  if (slab.free.length === 0) slabs[index]!.pop();
  return chunk;
}

/** One that no size has room for has a memory of its own. */
function takeOwn(bytes: number): Chunk {
  usedBytes += bytes;
  return new Slab(bytes, bytes).free.pop()!;
}

function addSlab(index: number): Slab {
  const slab = new Slab(slabBytes[index]!, sizes[index]!);
  unusedBytes += slab.bytes.length;
  list(slab, slabs[index]!);
  return slab;
}

/** Gives one back that nobody uses any more. */
export function freeChunk(chunk: Chunk): void {
  const { slab, size } = chunk;
  usedBytes -= size;
  const index = sizes.indexOf(size as (typeof sizes)[number]);
  if (index < 0) return;
  chunk.start = chunk.base;
  chunk.end = chunk.base;
  chunk.next = undefined;
  slab.free.push(chunk);
  if (slab.free.length === 1) list(slab, slabs[index]!);
  if (!slab.isUnused) return;
  if (unusedBytes + slab.bytes.length > maxUnusedBytes) unlist(slab, slabs[index]!);
  else unusedBytes += slab.bytes.length;
}

function list(slab: Slab, among: Slab[]): void {
  slab.place = among.push(slab) - 1;
}

function unlist(slab: Slab, among: Slab[]): void {
  const last = among.pop()!;
  if (last === slab) return;
  among[slab.place] = last;
  last.place = slab.place;
}

/** Bytes of all pieces in use, in this environment. */
export function chunkBytesInUse(): number {
  return usedBytes;
}

/** Bytes that are kept for the next who needs them, of memory in which nothing is in use. */
export function chunkBytesUnused(): number {
  return unusedBytes;
}
