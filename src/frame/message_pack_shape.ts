import { FrameMalformedError } from "../errors.js";
import { isUtf8 } from "./utf8.js";

/**
 * Throws unless `bytes` are exactly one MessagePack value of numbers, strings in UTF-8, bins, nil, booleans and arrays.
 * Decoders make an object of every element, and allocate what a length says: five bytes could ask for gigabytes, and a
 * megabyte of empty maps takes a second. Its time is linear, and it allocates nothing.
 * @param maxElements of an array, the outermost first; deeper ones are refused.
 * @see https://github.com/msgpack/msgpack/blob/master/spec.md
 */
export function checkMessagePack(bytes: Uint8Array, maxElements: readonly number[]): void {
  if (skip(bytes, 0, maxElements, 0) !== bytes.length) throw malformed("more stands behind the value");
}

/** The end of the value at `at`. */
function skip(bytes: Uint8Array, at: number, maxElements: readonly number[], depth: number): number {
  const token = bytes[at];
  if (token === undefined) throw malformed("it ends inside a value");
  const next = at + 1;
  if (token < 0x80 || token >= 0xe0) return next; // fixint
  if (token >= 0x90 && token < 0xa0) return skipElements(bytes, next, token & 0x0f, maxElements, depth);
  if (token >= 0xa0 && token < 0xc0) return skipText(bytes, next, token & 0x1f);
  if (token === 0xc0 || token === 0xc2 || token === 0xc3) return next; // nil, false, true
  if (token >= 0xc4 && token <= 0xc6) {
    const width = 1 << (token - 0xc4); // bin
    return skipBytes(bytes, skipBytes(bytes, next, width), readLength(bytes, next, width));
  }
  if (token >= 0xd9 && token <= 0xdb) {
    const width = 1 << (token - 0xd9); // str
    return skipText(bytes, skipBytes(bytes, next, width), readLength(bytes, next, width));
  }
  if (token >= 0xcc && token <= 0xd3) return skipBytes(bytes, next, 1 << ((token - 0xcc) % 4)); // integers
  if (token === 0xdc || token === 0xdd) {
    const width = 2 << (token - 0xdc); // array
    const end = skipBytes(bytes, next, width);
    return skipElements(bytes, end, readLength(bytes, next, width), maxElements, depth);
  }
  throw malformed(`it has a value of type 0x${token.toString(16)}`);
}

function skipElements(
  bytes: Uint8Array,
  at: number,
  count: number,
  maxElements: readonly number[],
  depth: number,
): number {
  const most = maxElements[depth];
  if (most === undefined) throw malformed("it is nested too deep");
  if (count > most) throw malformed(`it has an array of ${count}, where ${most} are the most`);
  let end = at;
  for (let i = 0; i < count; i++) end = skip(bytes, end, maxElements, depth + 1);
  return end;
}

function skipText(bytes: Uint8Array, at: number, count: number): number {
  const end = skipBytes(bytes, at, count);
  if (!isUtf8(bytes, at, end)) throw malformed("it has a string that is not UTF-8");
  return end;
}

function skipBytes(bytes: Uint8Array, at: number, count: number): number {
  if (count > bytes.length - at) throw malformed("it ends inside a value");
  return at + count;
}

function readLength(bytes: Uint8Array, at: number, width: number): number {
  let length = 0;
  for (let i = 0; i < width; i++) length = length * 256 + bytes[at + i]!;
  return length;
}

function malformed(what: string): FrameMalformedError {
  return new FrameMalformedError(`a unit is not MessagePack as it should be: ${what}`);
}
