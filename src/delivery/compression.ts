import { ProtocolViolationError } from "../errors.js";
import type { FrameContents } from "../frame/frame.js";
import { listOf, withDefault } from "../options/schema.js";
import type { Carrier } from "./outgoing.js";

/** Makes messages smaller on their way: what `deflate`, `brotli` and `zstd` of `millrace/compression` give. */
export interface Compression {
  readonly name: "deflate" | "brotli" | "zstd";
  /** What has less payload goes as it is. */
  readonly thresholdBytes: number;
}

/** Payloads, as they went or came, and as they were before or are now. */
export interface CompressedBytes {
  readonly messages: number;
  /** On the wire. */
  readonly bytes: number;
  /** As the application has them. */
  readonly plainBytes: number;
}

/** What compression has done for a session, over all of its connections. */
export interface CompressionFigures {
  /** What the two sides agreed on last. */
  readonly name: Compression["name"];
  /** With a dictionary that both have. */
  readonly hasDictionary: boolean;
  /** What went out compressed, but for what is published to many at once. */
  readonly sent: CompressedBytes;
  /** What came compressed. */
  readonly received: CompressedBytes;
}

/** A connection on which both sides compress. */
export interface CompressingCarrier {
  readonly compression: SessionCompression;
  /** They change as it goes on. */
  readonly figures: CompressionFigures;
  /**
   * A frame as it was before it was compressed.
   * @throws ProtocolViolationError where it is of another compression; FrameTooLargeError, FrameMalformedError
   */
  open(frame: Readonly<FrameContents>, maxBytes: number): FrameContents;
}

/** A {@link Compression} as sessions have it. All of it is in what the application passes in, and in no page without. */
export interface SessionCompression extends Compression {
  /** What both sides know it by, its dictionary too: 1 byte, or 9. */
  readonly id: Uint8Array;
  /** The frame with its payload compressed; the same frame where that does not help. */
  compress(frame: Readonly<FrameContents>): Readonly<FrameContents>;
  /** @param before what is counted on from. */
  carry(carrier: Carrier, before: CompressionFigures | undefined): Carrier;
}

/** As an option. */
export const compressionOption = withDefault(
  listOf<Compression>("a list of what millrace/compression gives", 0, isCompression),
  [],
);

function isCompression(value: unknown): boolean {
  return typeof (value as SessionCompression | null)?.carry === "function";
}

/** The first of this side's that the other one has, too. */
export function commonCompression(
  own: readonly Compression[],
  ids: readonly Uint8Array[] = [],
): SessionCompression | undefined {
  return (own as readonly SessionCompression[]).find(({ id }) => ids.some((other) => `${other}` === `${id}`));
}

/** What the other side has chosen of this one's. @throws ProtocolViolationError where it is none of these */
export function agreedCompression(
  own: readonly Compression[],
  id: Uint8Array | undefined,
): SessionCompression | undefined {
  const agreed = id && commonCompression(own, [id]);
  if (id === undefined || agreed !== undefined) return agreed;
  throw new ProtocolViolationError("the server compresses by what was not offered");
}

/** What this side says that it has, the most wanted first. */
export function compressionIds(own: readonly Compression[]): readonly Uint8Array[] {
  return (own as readonly SessionCompression[]).map(({ id }) => id);
}
