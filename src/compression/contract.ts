/** What the compressions of Node.js and of pages have in common. */
export type { CompressedBytes, Compression, CompressionFigures } from "../delivery/compression.js";
export type { Dictionary } from "./dictionary.js";
export type { BrotliOptions, CompressionOptions, DeflateOptions, ZstdOptions } from "./options.js";
