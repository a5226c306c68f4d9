import type { Compression } from "millrace/compression";
import type { SessionCompression } from "#internal/delivery/compression.js";
import { type FrameContents, Kind } from "#internal/frame/frame.js";

/** A message of a chat, as many applications have them. */
export function message(id: number): string {
  return JSON.stringify({
    type: "message.created",
    room: { id: `room-${id % 5}`, name: "general" },
    author: { id: `user-${id % 11}`, name: "Ada", avatar: `https://example.com/avatars/${id % 11}.png` },
    createdAt: new Date(1_700_000_000_000 + id * 977).toISOString(),
    text: `the train of ${id % 24}:${(id * 7) % 60} is late again`,
    reactions: [],
  });
}

/** What such messages have in common. */
export const dictionary: string = Array.from({ length: 4 }, (_, id) => message(id)).join("");

export function frameOf(payload: Uint8Array): FrameContents {
  return { kind: Kind.Message, flags: 0, channel: 0, type: 7, seq: 3, ref: 2, payload };
}

/** What becomes of a message's payload; undefined where it stays as it is. */
export function squeeze(compression: Compression, payload: Uint8Array): Uint8Array | undefined {
  const frame = frameOf(payload);
  const compressed = (compression as SessionCompression).compress(frame);
  return compressed === frame ? undefined : compressed.payload;
}
