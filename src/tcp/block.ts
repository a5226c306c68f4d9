/** Memory that what leaves together is gathered in: a connection holds some from the first message of a turn to its end. */
export class Block {
  readonly bytes: Buffer;
  /** Where the next part goes. */
  end = 0;

  constructor(size: number) {
    this.bytes = Buffer.allocUnsafeSlow(size);
  }

  append(part: Uint8Array): void {
    this.bytes.set(part, this.end);
    this.end += part.length;
  }
}

const sizes = [1024, 4096, 16_384, 65_536] as const;

/** What a block has room for at most. */
export const maxBlockBytes = sizes[sizes.length - 1]!;

/** Of each size so much is kept for the next who needs it; the rest is left to the garbage collector. */
const maxFreeBytes = 1024 * 1024;
const free: Block[][] = sizes.map(() => []);

/** A block with what `block` has, which the caller has no more, and room for so many bytes behind it. */
export function withRoom(block: Block | undefined, bytes: number): Block {
  const end = block?.end ?? 0;
  if (block !== undefined && end + bytes <= block.bytes.length) return block;
  const larger = takeBlock(end + bytes);
  if (block !== undefined) {
    block.bytes.copy(larger.bytes, 0, 0, end);
    larger.end = end;
    freeBlock(block);
  }
  return larger;
}

/** The largest that lies there, so that what follows has room too and nothing need be moved; if none does, the smallest. */
function takeBlock(bytes: number): Block {
  let smallest = 0;
  while (sizes[smallest]! < bytes) smallest += 1;
  for (let index = sizes.length - 1; index >= smallest; index -= 1) {
    const block = free[index]!.pop();
    if (block !== undefined) return block;
  }
  return new Block(sizes[smallest]!);
}

/**
 * What lies in a block, in memory of its own that is no larger, for what may wait long: a few bytes in a large block
 * would hold all of it. The block is given back.
 */
export function moveOut(block: Block): Uint8Array {
  const bytes = Buffer.allocUnsafeSlow(block.end);
  block.bytes.copy(bytes, 0, 0, block.end);
  freeBlock(block);
  return bytes;
}

/** Gives one back that nobody reads any more. */
export function freeBlock(block: Block): void {
  const size = block.bytes.length;
  const same = free[sizes.indexOf(size as (typeof sizes)[number])]!;
  if ((same.length + 1) * size > maxFreeBytes) return;
  block.end = 0;
  same.push(block);
}
