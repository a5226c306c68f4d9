import type { Compression } from "../delivery/compression.js";
import { readOptions } from "../options/read.js";
import { type BrotliOptions, brotliOptions } from "./options.js";
import { zlibCompressor } from "./zlib_compressor.js";

/**
 * Brotli (RFC 7932): smaller than deflate where messages are of text, by a dictionary of words that is its own. Node.js
 * alone has it.
 * @throws InvalidArgumentError; in a page CompressionUnavailableError
 */
export function brotli(options: BrotliOptions = {}): Compression {
  const { thresholdBytes, level } = readOptions(brotliOptions, options);
  return zlibCompressor("brotli", thresholdBytes, { level });
}
