import * as zlib from "node:zlib";
import { ProtocolViolationError } from "../errors.js";
import { CompressionCode, checkOpened, damaged, readSize, withSize } from "./compressed_payload.js";

/** How a payload is compressed: what is left out is what suits messages. */
export interface CompressionSettings {
  /** As the algorithm counts them. */
  readonly level?: number | undefined;
  /** What both sides have; brotli takes none. */
  readonly dictionary?: Uint8Array | undefined;
}

interface Limits {
  readonly maxOutputLength: number;
  readonly info: true;
}

interface Inflated {
  readonly buffer: Uint8Array;
  /** What it took of the input: zlib counts what was written to it. */
  readonly engine: { readonly bytesWritten: number };
}

interface Algorithm {
  compress(bytes: Uint8Array, settings: CompressionSettings): Uint8Array;
  decompress(bytes: Uint8Array, limits: Limits, dictionary: Uint8Array | undefined): unknown;
}

const zstdWindowLog = 23;
/** A match reaches so much less far than deflate's window. */
const deflateLookahead = 262;

/** Node.js 20 has no zstd, and its types do not know of it. */
const zstd = zlib as typeof zlib & {
  zstdCompressSync?(bytes: Uint8Array, options: object): Uint8Array;
  zstdDecompressSync?(bytes: Uint8Array, options: object): unknown;
};
const { ZSTD_c_compressionLevel, ZSTD_c_windowLog, ZSTD_d_windowLogMax } =
  zlib.constants as unknown as Readonly<Record<string, number>>;
const { BROTLI_PARAM_QUALITY, BROTLI_PARAM_SIZE_HINT } = zlib.constants;

const algorithms: Readonly<Record<number, Algorithm | undefined>> = {
  [CompressionCode.deflate]: {
    compress: (bytes, { level, dictionary }) => {
      const held = bytes.length + (dictionary?.length ?? 0) + deflateLookahead;
      return zlib.deflateSync(bytes, { level, dictionary, windowBits: windowBits(held, 9, 15) });
    },
    decompress: (bytes, limits, dictionary) => zlib.inflateSync(bytes, { ...limits, dictionary }),
  },
  [CompressionCode.brotli]: {
    // Quality 11, the library's own default, is for what is compressed once and sent for years.
    compress: (bytes, { level = 5 }) =>
      zlib.brotliCompressSync(bytes, {
        params: { [BROTLI_PARAM_QUALITY]: level, [BROTLI_PARAM_SIZE_HINT]: bytes.length },
      }),
    decompress: (bytes, limits) => zlib.brotliDecompressSync(bytes, limits),
  },
  [CompressionCode.zstd]: zstd.zstdDecompressSync && {
    compress: (bytes, { level = 3, dictionary }) => {
      const held = bytes.length + (dictionary?.length ?? 0);
      return zstd.zstdCompressSync!(bytes, {
        ...withDictionary(dictionary),
        params: {
          [ZSTD_c_compressionLevel!]: level,
          [ZSTD_c_windowLog!]: windowBits(held, 10, zstdWindowLog),
        },
      });
    },
    decompress: (bytes, limits, dictionary) =>
      zstd.zstdDecompressSync!(bytes, {
        ...limits,
        ...withDictionary(dictionary),
        params: { [ZSTD_d_windowLogMax!]: zstdWindowLog },
      }),
  },
};

/** The bits of a window that holds so much: all of it is memory to be made and cleared, for each message. */
function windowBits(bytes: number, least: number, most: number): number {
  return Math.min(most, Math.max(least, Math.ceil(Math.log2(bytes))));
}

/** Most versions of Node.js that have zstd take no other bytes for a dictionary than a Buffer. */
function withDictionary(dictionary: Uint8Array | undefined): { readonly dictionary?: Buffer } {
  if (dictionary === undefined) return {};
  return { dictionary: Buffer.from(dictionary.buffer, dictionary.byteOffset, dictionary.length) };
}

/** The compressions that this Node.js has. */
export const compressions: readonly CompressionCode[] = Object.keys(algorithms)
  .map(Number)
  .filter((compression) => algorithms[compression] !== undefined);

/**
 * @returns a payload for a frame whose flags name the compression.
 * @throws ProtocolViolationError where this Node.js does not have it.
 */
export function compressPayload(
  payload: Uint8Array,
  compression: CompressionCode,
  settings: CompressionSettings = {},
): Uint8Array {
  return withSize(payload.length, algorithm(compression).compress(payload, settings));
}

/**
 * @param maxBytes the largest result. A payload that promises more is refused unread, one that turns out larger
 *   than it promised where it goes beyond: nothing but that many bytes is ever held.
 * @param dictionary that it was compressed with.
 * @throws FrameTooLargeError, FrameMalformedError; ProtocolViolationError where this Node.js does not have it.
 */
export function decompressPayload(
  payload: Uint8Array,
  compression: CompressionCode,
  maxBytes: number,
  dictionary?: Uint8Array,
): Uint8Array {
  const { decompress } = algorithm(compression);
  const { size, compressed } = readSize(payload, maxBytes);
  const limits = { maxOutputLength: Math.max(size, 1), info: true } as const;
  const { buffer, engine } = attempt(() => decompress(compressed, limits, dictionary));
  checkOpened(buffer.length === size && engine.bytesWritten === compressed.length);
  return new Uint8Array(buffer.buffer, buffer.byteOffset, size); // a Buffer's slice would not copy
}

function attempt(decompress: () => unknown): Inflated {
  try {
    return decompress() as Inflated;
  } catch (cause) {
    throw damaged(cause); // also ERR_BUFFER_TOO_LARGE, at the cap
  }
}

function algorithm(compression: CompressionCode): Algorithm {
  const found = algorithms[compression];
  if (found !== undefined) return found;
  throw new ProtocolViolationError(`compression ${compression} is not known here`);
}
