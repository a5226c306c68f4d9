import * as zlib from "node:zlib";
import { FrameMalformedError, FrameTooLargeError, ProtocolViolationError } from "../errors.js";

/**
 * How a payload is compressed: bits 0 to 2 of a frame's flags. Such a payload is a u32, little-endian: its size
 * before it was compressed; then the compressed bytes.
 * @see docs/wire.md
 */
export const Compression = {
  none: 0,
  /** zlib's format (RFC 1950). */
  deflate: 1,
  /** RFC 7932, its window 16 MiB at most. */
  brotli: 2,
  /** RFC 8878, its window 8 MiB at most; Node.js has it from 22.15 on. */
  zstd: 3,
} as const;
export type Compression = number;

const sizeBytes = 4;
const zstdWindowLog = 23;

interface Options {
  readonly maxOutputLength: number;
  readonly info: true;
}

interface Inflated {
  readonly buffer: Uint8Array;
  /** What it took of the input: zlib counts what was written to it. */
  readonly engine: { readonly bytesWritten: number };
}

interface Algorithm {
  compress(bytes: Uint8Array): Uint8Array;
  decompress(bytes: Uint8Array, options: Options): unknown;
}

/** Node.js 20 has no zstd, and its types do not know of it. */
const zstd = zlib as typeof zlib & {
  zstdCompressSync?(bytes: Uint8Array, options: object): Uint8Array;
  zstdDecompressSync?(bytes: Uint8Array, options: object): unknown;
};
const { ZSTD_c_windowLog, ZSTD_d_windowLogMax } = zlib.constants as unknown as Readonly<
  Record<string, number>
>;

const algorithms: Readonly<Record<number, Algorithm | undefined>> = {
  [Compression.deflate]: {
    compress: (bytes) => zlib.deflateSync(bytes),
    decompress: (bytes, options) => zlib.inflateSync(bytes, options),
  },
  [Compression.brotli]: {
    // Quality 11, the default, is for what is compressed once and sent for years.
    compress: (bytes) =>
      zlib.brotliCompressSync(bytes, { params: { [zlib.constants.BROTLI_PARAM_QUALITY]: 5 } }),
    decompress: (bytes, options) => zlib.brotliDecompressSync(bytes, options),
  },
  [Compression.zstd]: zstd.zstdDecompressSync && {
    compress: (bytes) => zstd.zstdCompressSync!(bytes, { params: { [ZSTD_c_windowLog!]: zstdWindowLog } }),
    decompress: (bytes, options) =>
      zstd.zstdDecompressSync!(bytes, { ...options, params: { [ZSTD_d_windowLogMax!]: zstdWindowLog } }),
  },
};

/** The compressions that this Node.js has. */
export const compressions: readonly Compression[] = Object.keys(algorithms)
  .map(Number)
  .filter((compression) => algorithms[compression] !== undefined);

/**
 * @returns a payload for a frame whose flags name the compression.
 * @throws ProtocolViolationError where this Node.js does not have it.
 */
export function compressPayload(payload: Uint8Array, compression: Compression): Uint8Array {
  const compressed = algorithm(compression).compress(payload);
  const result = new Uint8Array(sizeBytes + compressed.length);
  new DataView(result.buffer).setUint32(0, payload.length, true);
  result.set(compressed, sizeBytes);
  return result;
}

/**
 * @param maxBytes the largest result. A payload that promises more is refused unread, one that turns out larger
 *   than it promised where it goes beyond: nothing but that many bytes is ever held.
 * @throws FrameTooLargeError, FrameMalformedError; ProtocolViolationError where this Node.js does not have it.
 */
export function decompressPayload(
  payload: Uint8Array,
  compression: Compression,
  maxBytes: number,
): Uint8Array {
  const { decompress } = algorithm(compression);
  if (payload.length < sizeBytes) throw new FrameMalformedError("a compressed payload lacks its size");
  const size = new DataView(payload.buffer, payload.byteOffset).getUint32(0, true);
  if (size > maxBytes) {
    throw new FrameTooLargeError(`a payload of ${size} bytes was compressed; at most ${maxBytes} are taken`);
  }
  const compressed = payload.subarray(sizeBytes);
  const { buffer, engine } = attempt(decompress, compressed, {
    maxOutputLength: Math.max(size, 1),
    info: true,
  });
  if (buffer.length !== size || engine.bytesWritten !== compressed.length) {
    throw new FrameMalformedError("a compressed payload is not what its size says, or more stands behind it");
  }
  return buffer;
}

function attempt(decompress: Algorithm["decompress"], bytes: Uint8Array, options: Options): Inflated {
  try {
    return decompress(bytes, options) as Inflated;
  } catch (cause) {
    // Also ERR_BUFFER_TOO_LARGE, at the cap.
    throw new FrameMalformedError("a compressed payload is damaged, or larger than it says", { cause });
  }
}

function algorithm(compression: Compression): Algorithm {
  const found = algorithms[compression];
  if (found !== undefined) return found;
  throw new ProtocolViolationError(`compression ${compression} is not known here`);
}
