import { FrameMalformedError } from "../errors.js";

/**
 * Throws unless `bytes` are exactly one MessagePack value without extensions, nested at most `maxDepth` deep, whose
 * arrays and maps have no more elements than there are bytes. Decoders allocate what a length says: five bytes could
 * ask for gigabytes. Its time is linear, and it allocates nothing.
 * @see https://github.com/msgpack/msgpack/blob/master/spec.md
 */
export function checkMessagePack(bytes: Uint8Array, maxDepth: number): void {
  if (skip(bytes, 0, maxDepth) !== bytes.length) throw malformed("more stands behind the value");
}

/** The end of the value at `at`. */
function skip(bytes: Uint8Array, at: number, depth: number): number {
  const token = bytes[at];
  if (token === undefined) throw malformed("it ends inside a value");
  const next = at + 1;
  if (token < 0x80 || token >= 0xe0) return next; // fixint
  if (token < 0x90) return skipElements(bytes, next, 2 * (token & 0x0f), depth);
  if (token < 0xa0) return skipElements(bytes, next, token & 0x0f, depth);
  if (token < 0xc0) return skipBytes(bytes, next, token & 0x1f);
  if (token === 0xc0 || token === 0xc2 || token === 0xc3) return next; // nil, false, true
  if (token >= 0xc4 && token <= 0xc6) return skipSized(bytes, next, 1 << (token - 0xc4)); // bin
  if (token >= 0xd9 && token <= 0xdb) return skipSized(bytes, next, 1 << (token - 0xd9)); // str
  if (token >= 0xcc && token <= 0xd3) return skipBytes(bytes, next, 1 << ((token - 0xcc) % 4)); // integers
  if (token === 0xdc || token === 0xdd) return skipCounted(bytes, next, 2 << (token - 0xdc), 1, depth); // array
  if (token === 0xde || token === 0xdf) return skipCounted(bytes, next, 2 << (token - 0xde), 2, depth); // map
  throw malformed(`it has a value of type 0x${token.toString(16)}`);
}

function skipElements(bytes: Uint8Array, at: number, count: number, depth: number): number {
  if (depth === 0) throw malformed("it is nested too deep");
  if (count > bytes.length - at) throw malformed("it has fewer elements than it says");
  let end = at;
  for (let i = 0; i < count; i++) end = skip(bytes, end, depth - 1);
  return end;
}

function skipCounted(bytes: Uint8Array, at: number, width: number, each: number, depth: number): number {
  const end = skipBytes(bytes, at, width);
  return skipElements(bytes, end, each * readLength(bytes, at, width), depth);
}

function skipSized(bytes: Uint8Array, at: number, width: number): number {
  const end = skipBytes(bytes, at, width);
  return skipBytes(bytes, end, readLength(bytes, at, width));
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
