import { hotHeadBytes, writeHotHead } from "#internal/frame/codec.js";

/** A message of lane 0, as `send` makes them. `seq` does not count up: no layer that is measured looks at it. */
export const messageHeader = { kind: 4, flags: 0, channel: 0, type: 0, seq: 0, ref: 0 };

/** What stands before a payload in a frame, in hexadecimal: the native clients know nothing of frames. */
export function frameHead(payloadBytes: number): string {
  const head = new DataView(new ArrayBuffer(hotHeadBytes));
  writeHotHead(head, 0, messageHeader, payloadBytes);
  return Buffer.from(head.buffer).toString("hex");
}

/** What the first stream of lane 0 begins with, in hexadecimal: {lane u16, zero u16, ordinal u32}. */
export function lanePrefix(): string {
  return "00".repeat(8);
}
