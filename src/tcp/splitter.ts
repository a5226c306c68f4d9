import { FrameTooLargeError } from "../errors.js";
import type { StreamFraming } from "../transport/control.js";
import type { PlacedUnit } from "./placed_unit.js";

const newline = 0x0a;
const nothing = new Uint8Array(0);

/**
 * Cuts a stream of bytes into whole units: frames, by the size that each begins with, or lines. A unit that lies inside
 * one chunk is a view of it; only one that spans chunks is assembled, in memory that grows with the bytes that really
 * arrived: who announces a large frame pays for it byte by byte. It is pulled, so that a reader may stop at any unit.
 *
 * On QUIC the same is done off this thread (native/frame/splitter.h).
 */
export class Splitter {
  readonly #framing: StreamFraming;
  readonly #lines: boolean;
  readonly #maxBytes: number;
  #chunk: Buffer | undefined = undefined;
  /** What the chunk lies in, and where: to ask the chunk costs as much as a view of it. */
  #memory: ArrayBufferLike = nothing.buffer;
  #memoryOffset = 0;
  /** Where in the chunk the next unit begins. */
  #offset = 0;
  /** The beginning of a unit whose end has not come: `#assembled` bytes of it. */
  #assembly: Buffer | undefined = undefined;
  #assembled = 0;

  /** @param maxBytes of the largest unit. */
  constructor(framing: StreamFraming, lines: boolean, maxBytes: number) {
    this.#framing = framing;
    this.#lines = lines;
    this.#maxBytes = maxBytes;
  }

  /** Whether whole units may wait for {@link next}. */
  get hasMore(): boolean {
    return this.#chunk !== undefined;
  }

  /** Whether the beginning of a unit waits for its end. */
  get isInside(): boolean {
    return this.#assembled > 0;
  }

  /** @param chunk the splitter's own from now on. */
  push(chunk: Buffer): void {
    const rest = this.#chunk?.subarray(this.#offset);
    this.#chunk = rest === undefined ? chunk : Buffer.concat([rest, chunk]);
    this.#memory = this.#chunk.buffer;
    this.#memoryOffset = this.#chunk.byteOffset;
    this.#offset = 0;
  }

  /**
   * The next whole unit, valid until the next call; undefined where it is not here yet.
   * @throws FrameTooLargeError; the stream is of no more use then.
   */
  next(): Uint8Array | undefined {
    const chunk = this.#chunk;
    if (chunk === undefined) return undefined;
    const unit = this.#lines ? this.#nextLine(chunk) : this.#nextFrame(chunk);
    if (this.#offset === chunk.length) this.#forget();
    return unit;
  }

  /**
   * The same of a frame that lies in one chunk, at a multiple of 4, without a view of it being made.
   * @param into shows it until the next call.
   * @returns false, with nothing changed, where {@link next} is to be asked.
   */
  place(into: PlacedUnit): boolean {
    const chunk = this.#chunk;
    const at = this.#memoryOffset + this.#offset;
    if (chunk === undefined || this.#assembled > 0 || (at & 3) !== 0) return false;
    const available = chunk.length - this.#offset;
    if (available < this.#framing.prefixBytes) return false;
    const bytes = this.#framing.frameBytes(chunk, this.#offset);
    if (bytes > available || bytes > this.#maxBytes) return false;
    into.show(this.#memory, at, bytes);
    this.#offset += bytes;
    if (bytes === available) this.#forget();
    return true;
  }

  /** All of the chunk is taken. */
  #forget(): void {
    this.#chunk = undefined;
    this.#memory = nothing.buffer;
  }

  /** The beginning of a unit, at the stream's end: the last line may lack its newline. */
  rest(): Uint8Array | undefined {
    return this.#assembled === 0 ? undefined : this.#takeAssembly();
  }

  #nextFrame(chunk: Buffer): Uint8Array | undefined {
    const { prefixBytes } = this.#framing;
    const available = chunk.length - this.#offset;
    if (this.#assembled > 0 || available < prefixBytes) return this.#assembleFrame(chunk);
    const bytes = this.#checked(this.#framing.frameBytes(chunk, this.#offset));
    if (bytes <= available) return this.#view(bytes);
    this.#assemble(chunk, available, bytes);
    return undefined;
  }

  #assembleFrame(chunk: Buffer): Uint8Array | undefined {
    const { prefixBytes } = this.#framing;
    if (this.#assembled < prefixBytes) {
      const bytes = Math.min(prefixBytes - this.#assembled, chunk.length - this.#offset);
      this.#assemble(chunk, bytes, prefixBytes);
      if (this.#assembled < prefixBytes) return undefined;
    }
    const bytes = this.#checked(this.#framing.frameBytes(this.#assembly!, 0));
    this.#assemble(chunk, Math.min(bytes - this.#assembled, chunk.length - this.#offset), bytes);
    return this.#assembled < bytes ? undefined : this.#takeAssembly();
  }

  #nextLine(chunk: Buffer): Uint8Array | undefined {
    const end = chunk.indexOf(newline, this.#offset);
    const bytes = (end < 0 ? chunk.length : end + 1) - this.#offset;
    this.#checked(this.#assembled + bytes);
    if (end >= 0 && this.#assembled === 0) return this.#view(bytes);
    this.#assemble(chunk, bytes, this.#maxBytes);
    return end < 0 ? undefined : this.#takeAssembly();
  }

  #checked(bytes: number): number {
    if (bytes <= this.#maxBytes) return bytes;
    const what = this.#lines ? "line" : "frame";
    throw new FrameTooLargeError(`the peer sent a ${what} of more than ${this.#maxBytes} bytes`);
  }

  /** Not as a Buffer: its slice() would not copy. */
  #view(bytes: number): Uint8Array {
    const view = new Uint8Array(this.#memory, this.#memoryOffset + this.#offset, bytes);
    this.#offset += bytes;
    return view;
  }

  /** @param unitBytes as large as the unit can be: the memory never is larger. */
  #assemble(chunk: Buffer, bytes: number, unitBytes: number): void {
    const needed = this.#assembled + bytes;
    const capacity = this.#assembly?.length ?? 0;
    if (needed > capacity) {
      const grown = Buffer.allocUnsafeSlow(Math.max(needed, Math.min(2 * capacity, unitBytes)));
      this.#assembly?.copy(grown, 0, 0, this.#assembled);
      this.#assembly = grown;
    }
    chunk.copy(this.#assembly!, this.#assembled, this.#offset, this.#offset + bytes);
    this.#assembled = needed;
    this.#offset += bytes;
  }

  #takeAssembly(): Uint8Array {
    const { buffer, byteOffset } = this.#assembly!;
    const unit = new Uint8Array(buffer, byteOffset, this.#assembled);
    this.#assembly = undefined;
    this.#assembled = 0;
    return unit;
  }
}
