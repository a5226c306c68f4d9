/** The lanes of a framed connection, written by hand: native/quic/outbound_lanes.h. */
import { hotHeadBytes, writeHotHead } from "#internal/frame/codec.js";
import { Kind } from "#internal/frame/frame.js";

/** The lane that is none: its stream asks for a graceful close. */
export const closeLane = 0xffff;

/** What begins a lane's stream: {u16 lane, u16 zero, u32 ordinal}. */
export function lanePrefix(lane: number, ordinal: number, zero = 0): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt16LE(lane, 0);
  bytes.writeUInt16LE(zero, 2);
  bytes.writeUInt32LE(ordinal, 4);
  return bytes;
}

/** A frame that carries a message. */
export function messageFrame(text: string): Buffer {
  const payload = Buffer.from(text);
  const bytes = Buffer.alloc((hotHeadBytes + payload.length + 3) & ~3);
  const header = { kind: Kind.Message, flags: 0, channel: 0, type: 0, seq: 0, ref: 0 };
  writeHotHead(new DataView(bytes.buffer, bytes.byteOffset), 0, header, payload.length);
  payload.copy(bytes, hotHeadBytes);
  return bytes.subarray(0, hotHeadBytes + payload.length);
}
