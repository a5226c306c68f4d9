import { Unzlib, zlibSync } from "fflate";
import type { Compression } from "../delivery/compression.js";
import { checkOpened, damaged, readSize, withSize } from "../frame/compressed_payload.js";
import { readOptions } from "../options/read.js";
import { adler32 } from "./adler32.js";
import { Compressor } from "./compressor.js";
import { dictionaryBytes } from "./dictionary.js";
import { type DeflateOptions, deflateOptions } from "./options.js";

/** So much of a peer's bytes is looked at before it is seen whether they have become too many: 4 MiB at the most. */
const pieceBytes = 4_096;

/** The same as in Node.js, by the package fflate. @throws InvalidArgumentError */
export function deflate(options: DeflateOptions = {}): Compression {
  const { thresholdBytes, level, dictionary: given } = readOptions(deflateOptions, options);
  const dictionary = dictionaryBytes(given);
  const shared = dictionary === undefined ? {} : { dictionary };
  const settings = { ...shared, level: level as 6 }; // 1 to 9, as its type has it
  const algorithm = {
    name: "deflate" as const,
    compress: (payload: Uint8Array) => withSize(payload.length, zlibSync(payload, settings)),
    decompress: (payload: Uint8Array, maxBytes: number) => inflate(payload, maxBytes, shared),
  };
  return new Compressor(algorithm, thresholdBytes, dictionary);
}

/** @throws FrameTooLargeError, FrameMalformedError */
function inflate(
  payload: Uint8Array,
  maxBytes: number,
  shared: { readonly dictionary?: Uint8Array },
): Uint8Array {
  const { size, compressed } = readSize(payload, maxBytes);
  const opened = new Uint8Array(size);
  let at = 0;
  try {
    const stream = new Unzlib(shared, (bytes) => {
      opened.set(bytes, at); // throws where there are more than were said
      at += bytes.length;
    });
    for (let from = 0; from < compressed.length || from === 0; from += pieceBytes) {
      const end = from + pieceBytes;
      stream.push(compressed.subarray(from, end), end >= compressed.length);
    }
  } catch (cause) {
    throw damaged(cause);
  }
  checkOpened(at === size && adler32(opened) === checksumOf(compressed));
  return opened;
}

/** The library does not look at it. There are four bytes, or it would have thrown. */
function checksumOf(compressed: Uint8Array): number {
  return new DataView(compressed.buffer, compressed.byteOffset).getUint32(compressed.length - 4);
}
