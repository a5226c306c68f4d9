import { integer, object, optional, withDefault } from "../options/schema.js";
import { type Dictionary, dictionaryOption } from "./dictionary.js";

/** What all compressions have. */
export interface CompressionOptions {
  /** Messages with less payload go as they are, 1..67,108,864; 1,024 by default. */
  readonly thresholdBytes?: number | undefined;
}

/** How `deflate` compresses. */
export interface DeflateOptions extends CompressionOptions {
  /** 1, the quickest, to 9, the smallest; 6 by default. */
  readonly level?: number | undefined;
  /**
   * What messages have in common, the most common at its end, 8..32,768 bytes; both sides give the same one. Some examples
   * one after the other do. None by default.
   */
  readonly dictionary?: Dictionary | undefined;
}

/** How `brotli` compresses. Node.js gives it no dictionaries. */
export interface BrotliOptions extends CompressionOptions {
  /** 0, the quickest, to 11, the smallest; 5 by default. */
  readonly level?: number | undefined;
}

/** How `zstd` compresses. */
export interface ZstdOptions extends CompressionOptions {
  /** 1, the quickest, to 19, the smallest; 3 by default. */
  readonly level?: number | undefined;
  /**
   * What messages have in common, 8..1,048,576 bytes, as it is or as `zstd --train` makes it; both sides give the same one.
   * None by default. Node.js takes it from 22.19 and 24.6 on.
   */
  readonly dictionary?: Dictionary | undefined;
}

const common = { thresholdBytes: withDefault(integer(1, 64 * 1024 * 1024), 1024) };

export const deflateOptions = object({
  ...common,
  level: withDefault(integer(1, 9), 6),
  dictionary: optional(dictionaryOption(8, 32_768)),
} satisfies Record<keyof DeflateOptions, unknown>);

export const brotliOptions = object({
  ...common,
  level: withDefault(integer(0, 11), 5),
} satisfies Record<keyof BrotliOptions, unknown>);

export const zstdOptions = object({
  ...common,
  level: withDefault(integer(1, 19), 3),
  dictionary: optional(dictionaryOption(8, 1024 * 1024)),
} satisfies Record<keyof ZstdOptions, unknown>);
