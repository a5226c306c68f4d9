import type { Compression } from "../delivery/compression.js";
import { CompressionCode } from "../frame/compressed_payload.js";
import { type CompressionSettings, compressPayload, decompressPayload } from "../frame/compression.js";
import { Compressor } from "./compressor.js";

/** A {@link Compression} by what Node.js has. */
export function zlibCompressor(
  name: Compression["name"],
  thresholdBytes: number,
  settings: CompressionSettings,
): Compression {
  const code = CompressionCode[name];
  const { dictionary } = settings;
  const algorithm = {
    name,
    compress: (payload: Uint8Array) => compressPayload(payload, code, settings),
    decompress: (payload: Uint8Array, maxBytes: number) =>
      decompressPayload(payload, code, maxBytes, dictionary),
  };
  return new Compressor(algorithm, thresholdBytes, dictionary);
}
