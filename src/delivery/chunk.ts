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
  /** None where it is one piece, larger than all sizes. */
  readonly shelf: Shelf | undefined;
  /** Pieces that nobody uses. */
  readonly free: Chunk[] = [];
  readonly pieces: number;
  /** Where it lies on its shelf. */
  place = 0;

  constructor(bytes: number, chunkBytes: number, shelf?: Shelf) {
    this.memory = new ArrayBuffer(bytes);
    this.bytes = new Uint8Array(this.memory);
    this.words = new Int32Array(this.memory);
    this.shelf = shelf;
    for (let base = bytes - chunkBytes; base >= 0; base -= chunkBytes) {
      this.free.push(new Chunk(this, base, base + chunkBytes));
    }
    this.pieces = this.free.length;
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

/** What is kept for the next who needs it, and beyond it one unused slab of each size; the rest is left to the garbage collector. */
const maxUnusedBytes = 32 * 1024 * 1024;

let unusedBytes = 0;
let usedBytes = 0;

/**
 * Of one size, the slabs with free pieces. The last is taken from, one that is used already if there is any: an unused
 * one stays so, and can be let go.
 *
 * ```text
 * │ unused │ unused │ partly used │ partly used │
 *                    ^ unused
 * ```
 */
class Shelf {
  readonly size: number;
  readonly #slabBytes: number;
  readonly #slabs: Slab[] = [];
  /** How many have no piece in use: they lie first. */
  #unused = 0;

  constructor(size: number, slabBytes: number) {
    this.size = size;
    this.#slabBytes = slabBytes;
  }

  take(): Chunk {
    const slabs = this.#slabs;
    if (slabs.length === 0) this.#add();
    if (this.#unused === slabs.length) this.#unused -= 1;
    const { free } = slabs[slabs.length - 1]!;
    const chunk = free.pop()!;
    if (free.length === 0) slabs.pop();
    usedBytes += this.size;
    unusedBytes -= this.size;
    return chunk;
  }

  #add(): void {
    this.#slabs.push(new Slab(this.#slabBytes, this.size, this));
    this.#slabs[0]!.place = 0;
    this.#unused = 1;
    unusedBytes += this.#slabBytes;
  }

  give(chunk: Chunk): void {
    const { slab } = chunk;
    usedBytes -= this.size;
    unusedBytes += this.size;
    if (slab.free.push(chunk) === 1) slab.place = this.#slabs.push(slab) - 1;
    if (slab.free.length === slab.pieces) this.#drained(slab);
  }

  #drained(slab: Slab): void {
    const slabs = this.#slabs;
    const first = slabs[this.#unused]!;
    if (first !== slab) {
      slabs[slab.place] = first;
      first.place = slab.place;
      slabs[this.#unused] = slab;
      slab.place = this.#unused;
    }
    if (unusedBytes <= maxUnusedBytes || this.#unused === 0) this.#unused += 1;
    else this.#letGo(slab);
  }

  /** @param slab the first behind the unused ones. */
  #letGo(slab: Slab): void {
    unusedBytes -= this.#slabBytes;
    const last = this.#slabs.pop()!;
    if (last === slab) return;
    this.#slabs[slab.place] = last;
    last.place = slab.place;
  }
}

/**
 * A lane takes one as large as what it has on its way already, so that it never holds much more than that. Few lie in
 * one slab: a piece that is used for long holds all of it.
 */
const shelves = [
  new Shelf(1024, 16_384),
  new Shelf(4096, 65_536),
  new Shelf(16_384, 262_144),
  new Shelf(65_536, 262_144),
] as const;
const largest = shelves[3].size;

/**
 * @param bytes that must fit.
 * @param held what lies in other pieces of the same lane.
 */
export function takeChunk(bytes: number, held: number): Chunk {
  if (bytes > largest) return takeOwn(Math.ceil(bytes / 8) * 8);
  const wanted = Math.max(bytes, Math.min(held, largest));
  let index = 0;
  while (shelves[index]!.size < wanted) index += 1;
  return shelves[index]!.take();
}

/** One that no size has room for has a memory of its own. */
function takeOwn(bytes: number): Chunk {
  usedBytes += bytes;
  return new Slab(bytes, bytes).free.pop()!;
}

/** Gives one back that nobody uses any more. */
export function freeChunk(chunk: Chunk): void {
  const { shelf } = chunk.slab;
  if (shelf === undefined) {
    usedBytes -= chunk.size;
    return;
  }
  chunk.start = chunk.base;
  chunk.end = chunk.base;
  chunk.next = undefined;
  shelf.give(chunk);
}

/** Bytes of all pieces in use, in this environment. */
export function chunkBytesInUse(): number {
  return usedBytes;
}

/** Bytes of all pieces that are kept for the next who needs them, also of those beside which others are in use. */
export function chunkBytesUnused(): number {
  return unusedBytes;
}
