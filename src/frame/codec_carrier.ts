import type { SendResult, TransportConnection } from "../transport/connection.js";
import { decodeFrame, FrameView } from "./frame.js";
import type { Codec } from "./message_codec.js";
import { sendUnit } from "./unit.js";

const nothing = new Uint8Array(0);
const view = new FrameView();

/** Takes millrace's frames for a connection that has agreed on another codec: each is written anew. */
export class CodecCarrier {
  readonly #transport: TransportConnection;
  readonly #codec: Codec;

  constructor(transport: TransportConnection, codec: Codec) {
    this.#transport = transport;
    this.#codec = codec;
  }

  get bytesQueued(): number {
    return this.#transport.bytesQueued;
  }

  /** Head and payload are one frame; see {@link TransportConnection.send}. */
  send(head: Uint8Array, payload: Uint8Array = nothing): SendResult {
    const frame = payload.length === 0 ? head : joined(head, payload);
    return sendUnit(this.#transport, this.#codec, this.#codec.encode(decodeFrame(frame, true, view)));
  }
}

function joined(head: Uint8Array, payload: Uint8Array): Uint8Array {
  const frame = new Uint8Array(head.length + payload.length);
  frame.set(head);
  frame.set(payload, head.length);
  return frame;
}
