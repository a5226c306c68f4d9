import { InvalidArgumentError } from "../errors.js";
import type { Transport, TransportOptions } from "../transport/transport.js";
import { hotHeadBytes } from "./codec.js";
import type { streamFraming } from "./control.js";
import { type Codec, frameCodec, protocolOf } from "./message_codec.js";
import type { ResolvedMessageOptions } from "./options.js";

/**
 * What a transport is told of the options that listening and connecting share.
 * @param framing how frames lie in a stream of bytes: missing where no transport has one.
 */
export function transportOptions(
  transport: Transport,
  options: ResolvedMessageOptions,
  framing: typeof streamFraming | undefined,
): TransportOptions {
  const { codecs = [frameCodec], maxMessageBytes } = options;
  return {
    highWaterMarkBytes: options.highWaterMarkBytes,
    idleTimeoutMs: options.idleTimeoutMs,
    frameTimeoutMs: options.frameTimeoutMs,
    handshakeTimeoutMs: options.handshakeTimeoutMs,
    maxFrameBytes: maxFrameBytes(maxMessageBytes, codecs),
    stream: framing?.(codecs),
    protocols: options.protocols ?? codecs.map((codec) => protocolOf(codec, transport.name)),
  };
}

/**
 * The longest that comes of a connection, whichever of the codecs it has agreed on.
 * @throws InvalidArgumentError where one of them does not know
 */
export function maxFrameBytes(maxMessageBytes: number, codecs: readonly Codec[] = [frameCodec]): number {
  return Math.max(...codecs.map((codec) => maxUnitBytes(codec, maxMessageBytes)));
}

/** Of the largest unit, and of the frame that QUIC and TCP put around those of other codecs. */
function maxUnitBytes(codec: Codec, maxMessageBytes: number): number {
  const bytes = codec.maxUnitBytes(maxMessageBytes);
  if (Number.isSafeInteger(bytes) && bytes > 0) return codec === frameCodec ? bytes : bytes + hotHeadBytes;
  throw new InvalidArgumentError(`codec "${codec.name}" says that its largest unit has ${bytes} bytes`);
}
