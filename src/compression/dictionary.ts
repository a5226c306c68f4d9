import { type Option, option } from "../options/schema.js";
import { utf8Length } from "../options/utf8_length.js";

/** By what both sides know that they have the same one. */
const hashBytes = 8;
/** FNV-1a of 64 bits. */
const basis = 0xcbf2_9ce4_8422_2325n;
const prime = 0x100_0000_01b3n;

const encoder = new TextEncoder();

/** Texts that messages have in common: bytes, or text as UTF-8. */
export type Dictionary = Uint8Array | string;

/** As an option. */
export function dictionaryOption(minBytes: number, maxBytes: number): Option<Dictionary> {
  return option(`${minBytes} to ${maxBytes} bytes, or text of so many in UTF-8`, (value) => {
    if (typeof value !== "string" && !(value instanceof Uint8Array)) return false;
    const length = typeof value === "string" ? utf8Length(value) : value.length;
    return length >= minBytes && length <= maxBytes;
  });
}

/** In memory of its own. */
export function dictionaryBytes(dictionary: Dictionary | undefined): Uint8Array | undefined {
  if (dictionary === undefined) return undefined;
  return typeof dictionary === "string" ? encoder.encode(dictionary) : new Uint8Array(dictionary);
}

/**
 * FNV-1a of 64 bits, little-endian. Two dictionaries are mistaken for each other by accident once in 2^64; who wants them
 * to be gains nothing by it that could not be had by sending nonsense. A page has no better one at once.
 */
export function dictionaryHash(dictionary: Uint8Array): Uint8Array {
  let hash = basis;
  for (const byte of dictionary) hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * prime);
  const bytes = new Uint8Array(hashBytes);
  new DataView(bytes.buffer).setBigUint64(0, hash, true);
  return bytes;
}
