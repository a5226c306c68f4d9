import { FrameMalformedError } from "../errors.js";
import { checkBytes } from "../options/bytes.js";
import type { Publisher, SendResult, TransportConnection } from "../transport/connection.js";
import { type FrameHeader, hotHeadBytes, setHotPayloadBytes, writeHotHead } from "./codec.js";
import { encodeFrame, type FrameContents, Kind } from "./frame.js";
import { asMalformed, type Codec } from "./message_codec.js";
import { unshared } from "./unshared.js";

// One head serves all sends: the transport has copied it before send returns.
const header: FrameHeader = { kind: Kind.Message, flags: 0, channel: 0, type: 0, seq: 0, ref: 0 };
const head = new Uint8Array(hotHeadBytes);
const headView = new DataView(head.buffer);
writeHotHead(headView, 0, header, 0);

/** The head of a message's frame, valid until the next call. @throws InvalidArgumentError */
export function messageHead(message: Uint8Array): Uint8Array {
  checkBytes(message, "a message");
  setHotPayloadBytes(headView, 0, message.length);
  return head;
}

/** A message as a codec has it. */
export function messageUnit(codec: Codec, message: Uint8Array): Uint8Array {
  return codec.encode({ ...header, payload: message });
}

/** Whether units of other codecs go inside of frames on a connection. */
export function carriesFrames(transport: TransportConnection): boolean {
  return transport.carriesFrames ?? transport.framesVerified;
}

/** Sends a unit: by itself, or in a frame where the transport carries those alone. */
export function sendUnit(transport: TransportConnection, codec: Codec, unit: Uint8Array): SendResult {
  if (carriesFrames(transport)) return transport.send(messageHead(unit), unit);
  if (codec.text && transport.sendText !== undefined) return transport.sendText(unit);
  return transport.send(unit);
}

/** Sends a whole frame, as the connection's codec has it. */
export function sendFrame(
  transport: TransportConnection,
  codec: Codec | undefined,
  frame: Readonly<FrameContents>,
): SendResult {
  if (codec !== undefined) return sendUnit(transport, codec, codec.encode(frame));
  return transport.send(encodeFrame(frame, frame.payload, frame));
}

/** Sends one unit to many connections, at the cost of one copy where the transport has a way. */
export function publishUnit(
  publisher: Publisher | undefined,
  connections: readonly TransportConnection[],
  codec: Codec,
  unit: Uint8Array,
): number {
  if (publisher !== undefined) {
    const framed = carriesFrames(connections[0]!);
    return publisher.publish(connections, framed ? messageHead(unit) : unit, framed ? unit : nothing);
  }
  const accepted = connections.filter(
    (connection) => connection.state === "open" && sendUnit(connection, codec, unit) !== "dropped",
  );
  return accepted.length;
}

const nothing = new Uint8Array(0);

/** What a unit says, however its codec refuses it. @throws FrameMalformedError */
export function decodeUnit(codec: Codec, unit: Uint8Array): ReturnType<Codec["decode"]> {
  try {
    const frame = codec.decode(unshared(unit));
    if (frame.payload instanceof Uint8Array) return frame;
  } catch (error) {
    throw asMalformed(error, `codec "${codec.name}" does not know these bytes`);
  }
  throw new FrameMalformedError(`codec "${codec.name}" decoded a payload that is no Uint8Array`);
}
