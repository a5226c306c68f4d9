import { FrameMalformedError, InvalidArgumentError } from "../errors.js";
import { hotHeadBytes } from "./codec.js";
import { decodeFrame, encodeFrame, type FrameContents, FrameView } from "./frame.js";

/**
 * Turns frames into bytes and back. Which one a connection uses is negotiated: a codec named `x` is ALPN
 * `millrace-x/1` on QUIC and TCP, and subprotocol `millrace.x.v1` on WebSocket.
 *
 * What it makes of one frame is a unit: one message of a WebSocket; on QUIC and TCP the payload of a frame, since
 * they carry those; on TCP a line, where the codec writes lines.
 * @see docs/wire.md; docs/codecs.md has a whole one
 */
export interface Codec {
  /** 1 to 32 lower-case letters, digits and hyphens. */
  readonly name: string;
  /** Units are UTF-8: a WebSocket carries them as text messages. False by default. */
  readonly text?: boolean;
  /**
   * Units of such a codec have no newline, but perhaps at their end: TCP carries them as lines, so that `nc` can read
   * and write them. Needs `text`; false by default.
   */
  readonly lines?: boolean;
  /** The size of the largest unit whose frame has `payloadBytes` of payload; a larger one is not taken. */
  maxUnitBytes(payloadBytes: number): number;
  /** @returns one unit, the caller's own. */
  encode(frame: Readonly<FrameContents>): Uint8Array;
  /**
   * @param unit bytes of a stranger, valid during the call only; never in shared memory.
   * @returns what they say; it may be views of them.
   * @throws anything where they are no unit: the connection is closed with `CloseCode.frameMalformed`, and told a
   *   FrameMalformedError whose cause this is. Codecs of ours throw that error themselves.
   */
  decode(unit: Uint8Array): Readonly<FrameContents>;
}

/** What a frame may have beside its payload: the head, a subject and metadata, padding. */
export const maxFrameOverheadBytes = hotHeadBytes + 1024;

/**
 * Millrace's own wire format, FlatBuffers: the default, and the fastest. Name it beside others to accept both.
 * @see schemas/frame.fbs
 */
export const frameCodec: Codec = {
  name: "frame",
  maxUnitBytes: (payloadBytes) => payloadBytes + maxFrameOverheadBytes,
  encode: (frame) => encodeFrame(frame, frame.payload, frame),
  decode: (unit) => decodeFrame(unit, false, new FrameView()),
};

/** The ALPN or subprotocol of a codec. A WebSocket subprotocol is a token (RFC 6455 section 4.1): no slash. */
export function protocolOf(codec: Codec, transport: string): string {
  const infix = codec === frameCodec ? "" : codec.name;
  if (transport === "websocket") return infix === "" ? "millrace.v1" : `millrace.${infix}.v1`;
  return infix === "" ? "millrace/1" : `millrace-${infix}/1`;
}

/** @throws InvalidArgumentError where two codecs have one name, so that nobody could choose between them. */
export function checkCodecs(codecs: readonly Codec[]): void {
  const names = codecs.map(({ name }) => name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw new InvalidArgumentError(`codecs has two of the name "${twice}"`);
}

/** What a decoder threw, as the error that a codec of ours throws: that one itself, or one whose cause it is. */
export function asMalformed(error: unknown, message: string): FrameMalformedError {
  return error instanceof FrameMalformedError ? error : new FrameMalformedError(message, { cause: error });
}

/** Whether this is a {@link Codec}. */
export function isCodec(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  const { name, text, lines, maxUnitBytes, encode, decode } = value as Partial<Record<keyof Codec, unknown>>;
  const functions = [maxUnitBytes, encode, decode].every((part) => typeof part === "function");
  const named = typeof name === "string" && /^[a-z0-9-]{1,32}$/.test(name);
  const flags = [text, lines].every((flag) => flag === undefined || typeof flag === "boolean");
  return functions && named && flags && (!lines || text === true);
}
