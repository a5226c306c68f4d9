import type { Compression } from "../delivery/compression.js";
import { CompressionUnavailableError, InvalidArgumentError } from "../errors.js";
import { CompressionCode } from "../frame/compressed_payload.js";
import { compressions, compressPayload } from "../frame/compression.js";
import { readOptions } from "../options/read.js";
import { dictionaryBytes } from "./dictionary.js";
import { type ZstdOptions, zstdOptions } from "./options.js";
import { zlibCompressor } from "./zlib_compressor.js";

/** No two of these are alike: only a dictionary can make them smaller. */
const sample = Uint8Array.from({ length: 64 }, (_, index) => (index * 167) & 0xff);

/**
 * Zstandard (RFC 8878): about as small as deflate, and quicker. Node.js alone has it, from 22.15 and 23.8 on.
 * @throws CompressionUnavailableError where Node.js is older, and in a page; InvalidArgumentError
 */
export function zstd(options: ZstdOptions = {}): Compression {
  const { thresholdBytes, level, dictionary } = readOptions(zstdOptions, options);
  if (!compressions.includes(CompressionCode.zstd)) {
    throw new CompressionUnavailableError(
      `zstd needs Node.js 22.15 or 23.8, and this is ${process.version}; deflate and brotli are everywhere`,
    );
  }
  const bytes = dictionaryBytes(dictionary);
  if (bytes !== undefined) checkDictionary(bytes);
  return zlibCompressor("zstd", thresholdBytes, { level, dictionary: bytes });
}

/** @throws CompressionUnavailableError, InvalidArgumentError */
function checkDictionary(dictionary: Uint8Array): void {
  // Who does not know of dictionaries passes over them, and says nothing.
  if (compressPayload(sample, CompressionCode.zstd, { dictionary: sample }).length >= sample.length) {
    throw new CompressionUnavailableError(
      `zstd takes a dictionary from Node.js 22.19 and 24.6 on, and this is ${process.version}`,
    );
  }
  try {
    compressPayload(sample, CompressionCode.zstd, { dictionary });
  } catch (cause) {
    throw new InvalidArgumentError("dictionary must be one that zstd can read", { cause });
  }
}
