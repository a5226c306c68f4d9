import { FrameMalformedError, FrameTooLargeError } from "../errors.js";

/**
 * How a payload is compressed: bits 0 to 2 of a frame's flags. Such a payload is a u32, little-endian: its size
 * before it was compressed; then the compressed bytes.
 * @see docs/wire.md
 */
export const CompressionCode = {
  none: 0,
  /** zlib's format (RFC 1950). */
  deflate: 1,
  /** RFC 7932, its window 16 MiB at most. */
  brotli: 2,
  /** RFC 8878, its window 8 MiB at most; Node.js has it from 22.15 on. */
  zstd: 3,
} as const;
export type CompressionCode = number;

export const sizeBytes = 4;
/**
 * How many times larger a payload may have been: what deflate can do (RFC 1951). Of brotli's and zstd's a few bytes could
 * cost as much time to open as thousands, as often as a peer likes.
 */
const mostTimes = 1_032;
/** Of a frame's flags. */
const codeMask = 0x07;

/** The compression that a frame's flags name. */
export function codeOf(flags: number): CompressionCode {
  return flags & codeMask;
}

/** Whether a payload is compressed. */
export function isCompressed(flags: number): boolean {
  return (flags & codeMask) !== 0;
}

/** A frame's flags, of a payload that is not compressed any more. */
export function withoutCode(flags: number): number {
  return flags & ~codeMask;
}

/** A payload for a frame whose flags name its compression. @param size of what was compressed. */
export function withSize(size: number, compressed: Uint8Array): Uint8Array {
  const payload = new Uint8Array(sizeBytes + compressed.length);
  new DataView(payload.buffer).setUint32(0, size, true);
  payload.set(compressed, sizeBytes);
  return payload;
}

/**
 * A compressed payload by its parts, the second still a view of it.
 * @param maxBytes the largest size: what says to be larger is refused unread.
 * @throws FrameTooLargeError, FrameMalformedError
 */
export function readSize(
  payload: Uint8Array,
  maxBytes: number,
): { readonly size: number; readonly compressed: Uint8Array } {
  if (payload.length < sizeBytes) throw new FrameMalformedError("a compressed payload lacks its size");
  const size = new DataView(payload.buffer, payload.byteOffset).getUint32(0, true);
  if (size > maxBytes) {
    throw new FrameTooLargeError(`a payload of ${size} bytes was compressed; at most ${maxBytes} are taken`);
  }
  const compressed = payload.subarray(sizeBytes);
  if (!mayBe(size, compressed.length)) {
    throw new FrameMalformedError(
      `a payload of ${size} bytes was compressed to ${compressed.length}: too few`,
    );
  }
  return { size, compressed };
}

/** Whether so many bytes may have been compressed to so few: else they go as they are. */
export function mayBe(size: number, compressedBytes: number): boolean {
  return size <= compressedBytes * mostTimes;
}

/** @throws FrameMalformedError where a payload is not what it said. */
export function checkOpened(isWhole: boolean): void {
  if (!isWhole) {
    throw new FrameMalformedError("a compressed payload is not what its size says, or more stands behind it");
  }
}

/** What a payload that cannot be decompressed is refused with; it may be larger than it says, too. */
export function damaged(cause: unknown): FrameMalformedError {
  return new FrameMalformedError("a compressed payload is damaged, or larger than it says", { cause });
}
