import type { Compression, CompressionFigures, SessionCompression } from "../delivery/compression.js";
import type { Carrier } from "../delivery/outgoing.js";
import { ProtocolViolationError } from "../errors.js";
import {
  CompressionCode,
  codeOf,
  isCompressed,
  mayBe,
  sizeBytes,
  withoutCode,
} from "../frame/compressed_payload.js";
import { type FrameContents, Kind } from "../frame/frame.js";
import { CompressedConnection } from "./compressed_connection.js";
import { dictionaryHash } from "./dictionary.js";
import { looksLikeNoise } from "./noise.js";

/** How payloads are made smaller, and large again, each beginning with its size: docs/wire.md, section 6. */
export interface Algorithm {
  readonly name: Compression["name"];
  compress(payload: Uint8Array): Uint8Array;
  /** @throws FrameTooLargeError, FrameMalformedError */
  decompress(payload: Uint8Array, maxBytes: number): Uint8Array;
}

/** The kinds whose payload is the application's. */
const kinds: ReadonlySet<number> = new Set([Kind.Message, Kind.Request, Kind.Response, Kind.Publish]);

/** What is saved by less than that is not worth what it costs the other side to open it. */
const leastSaving = 1 / 8;

/** A {@link Compression}: one algorithm, and perhaps a dictionary. It keeps nothing from one message to the next. */
export class Compressor implements SessionCompression {
  readonly name: Compression["name"];
  readonly thresholdBytes: number;
  readonly id: Uint8Array;
  readonly #code: CompressionCode;
  readonly #algorithm: Algorithm;

  constructor(algorithm: Algorithm, thresholdBytes: number, dictionary: Uint8Array | undefined) {
    this.name = algorithm.name;
    this.thresholdBytes = thresholdBytes;
    this.#algorithm = algorithm;
    this.#code = CompressionCode[algorithm.name];
    const hash = dictionary === undefined ? [] : dictionaryHash(dictionary);
    this.id = Uint8Array.of(this.#code, ...hash);
  }

  compress(frame: Readonly<FrameContents>): Readonly<FrameContents> {
    const { kind, flags, payload } = frame;
    if (payload.length < this.thresholdBytes || !kinds.has(kind) || isCompressed(flags)) return frame;
    if (looksLikeNoise(payload)) return frame;
    const compressed = this.#algorithm.compress(payload);
    if (compressed.length > payload.length * (1 - leastSaving)) return frame;
    if (!mayBe(payload.length, compressed.length - sizeBytes)) return frame;
    return withPayload(frame, flags | this.#code, compressed);
  }

  /** @throws ProtocolViolationError, FrameTooLargeError, FrameMalformedError */
  open(frame: Readonly<FrameContents>, maxBytes: number): FrameContents {
    const { kind, flags, payload } = frame;
    if (codeOf(flags) !== this.#code) {
      throw new ProtocolViolationError(`compression ${codeOf(flags)} was not agreed on, but ${this.#code}`);
    }
    if (!kinds.has(kind)) throw new ProtocolViolationError(`a frame of kind ${kind} is never compressed`);
    return withPayload(frame, withoutCode(flags), this.#algorithm.decompress(payload, maxBytes));
  }

  carry(carrier: Carrier, before: CompressionFigures | undefined): Carrier {
    return new CompressedConnection(this, carrier, before);
  }
}

function withPayload(
  { kind, channel, type, seq, ref, subject, meta }: Readonly<FrameContents>,
  flags: number,
  payload: Uint8Array,
): FrameContents {
  const entries = meta?.length ? meta : undefined; // one without stays hot
  return { kind, flags, channel, type, seq, ref, payload, subject, meta: entries };
}
