import type { Compression } from "../delivery/compression.js";
import { readOptions } from "../options/read.js";
import { dictionaryBytes } from "./dictionary.js";
import { type DeflateOptions, deflateOptions } from "./options.js";
import { zlibCompressor } from "./zlib_compressor.js";

/**
 * Deflate in zlib's format (RFC 1950), which everybody has: Node.js by itself, a page by the package fflate, an optional
 * peer.
 * @throws InvalidArgumentError
 */
export function deflate(options: DeflateOptions = {}): Compression {
  const { thresholdBytes, level, dictionary } = readOptions(deflateOptions, options);
  return zlibCompressor("deflate", thresholdBytes, { level, dictionary: dictionaryBytes(dictionary) });
}
