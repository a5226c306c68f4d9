import type { CompressedBytes, CompressingCarrier, CompressionFigures } from "../delivery/compression.js";
import type { Carrier } from "../delivery/outgoing.js";
import { decodeFrame, encodeFrame, type FrameContents, FrameView } from "../frame/frame.js";
import type { SendResult } from "../transport/connection.js";
import type { Compressor } from "./compressor.js";

const view = new FrameView();
const none: CompressedBytes = { messages: 0, bytes: 0, plainBytes: 0 };

/**
 * Compresses what goes out over one connection, at the time that it goes. What a session keeps, to send it again, it keeps
 * as it was: its next connection may be to somebody who compresses otherwise, or not at all.
 */
export class CompressedConnection implements Carrier, CompressingCarrier {
  readonly compression: Compressor;
  /** Missing where the transport has none; what goes in one goes as it is. */
  readonly sendDatagram?: NonNullable<Carrier["sendDatagram"]>;
  readonly figures: { -readonly [name in keyof CompressionFigures]: CompressionFigures[name] };
  readonly #carrier: Carrier;

  /** @param before what is counted on from. */
  constructor(compression: Compressor, carrier: Carrier, before: CompressionFigures | undefined) {
    const { name, id } = compression;
    this.compression = compression;
    this.#carrier = carrier;
    this.figures = { sent: none, received: none, ...before, name, hasDictionary: id.length > 1 };
    if (carrier.sendDatagram !== undefined) {
      this.sendDatagram = (head, payload) => carrier.sendDatagram!(head, payload);
    }
  }

  get compressing(): this {
    return this;
  }

  get bytesQueued(): number {
    return this.#carrier.bytesQueued;
  }

  get maxDatagramBytes(): number | undefined {
    return this.#carrier.maxDatagramBytes;
  }

  send(head: Uint8Array, payload: Uint8Array | undefined, lane: number): SendResult {
    // A session gives its frames in one part; what is in two goes to many, and they share it.
    if (payload !== undefined || head.length < this.compression.thresholdBytes) {
      return this.#carrier.send(head, payload, lane);
    }
    const plain = decodeFrame(head, true, view);
    const { payloadBytes } = plain;
    const frame = this.compression.compress(plain);
    if (frame === plain) return this.#carrier.send(head, undefined, lane);
    const result = this.#carrier.send(encodeFrame(frame, frame.payload, frame), undefined, lane);
    if (result !== "dropped") {
      this.figures.sent = counted(this.figures.sent, frame.payload.length, payloadBytes);
    }
    return result;
  }

  open(frame: Readonly<FrameContents>, maxBytes: number): FrameContents {
    const bytes = frame.payload.length;
    const opened = this.compression.open(frame, maxBytes);
    this.figures.received = counted(this.figures.received, bytes, opened.payload.length);
    return opened;
  }
}

function counted(
  { messages, ...before }: CompressedBytes,
  bytes: number,
  plainBytes: number,
): CompressedBytes {
  return {
    messages: messages + 1,
    bytes: before.bytes + bytes,
    plainBytes: before.plainBytes + plainBytes,
  };
}
