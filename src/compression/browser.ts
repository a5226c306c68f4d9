/** `millrace/compression` in a browser, which bundlers choose by its condition `browser`. It needs the package fflate. */
import type { Compression } from "../delivery/compression.js";
import { CompressionUnavailableError } from "../errors.js";
import type { BrotliOptions, ZstdOptions } from "./options.js";

export * from "./contract.js";
export { deflate } from "./page_deflate.js";

/** @throws CompressionUnavailableError */
export function brotli(_options?: BrotliOptions): Compression {
  throw new CompressionUnavailableError("a page has no brotli: use deflate, which a server may have besides");
}

/** @throws CompressionUnavailableError */
export function zstd(_options?: ZstdOptions): Compression {
  throw new CompressionUnavailableError("a page has no zstd: use deflate, which a server may have besides");
}
