import { FailureCode, RequestFailure } from "../delivery/failure.js";
import { readOptions } from "../options/read.js";
import { object, withDefault } from "../options/schema.js";
import { anyBytes } from "./offer.js";

/** How much is taken into memory. */
export interface LargeBytesOptions {
  /** 16 MiB by default. */
  readonly maxBytes?: number | undefined;
}

const schema = object({ maxBytes: withDefault(anyBytes, 16 * 1_024 * 1_024) });

/** All the bytes of something, of which there are `totalBytes`, where that is known. @throws RequestFailure */
export async function receivedBytes(
  chunks: AsyncIterable<Uint8Array>,
  totalBytes: number | undefined,
  options: LargeBytesOptions,
): Promise<Uint8Array> {
  const { maxBytes } = readOptions(schema, options);
  const check = (bytes: number) => {
    if (bytes > maxBytes)
      throw new RequestFailure(`it has more than ${maxBytes} bytes`, FailureCode.forbidden);
  };
  check(totalBytes ?? 0);
  const most = Math.min(maxBytes, totalBytes ?? maxBytes);
  let bytes = new Uint8Array(0);
  let length = 0;
  for await (const chunk of chunks) {
    const behind = length + chunk.length;
    check(behind);
    if (behind > bytes.length) bytes = enlarged(bytes, Math.max(behind, Math.min(2 * behind, most)));
    bytes.set(chunk, length);
    length = behind;
  }
  return length === bytes.length ? bytes : bytes.slice(0, length);
}

/** Chunks are put together at once: kept as they come, many small ones would take a hundred times their bytes. */
function enlarged(bytes: Uint8Array, length: number): Uint8Array<ArrayBuffer> {
  const larger = new Uint8Array(length);
  larger.set(bytes);
  return larger;
}
