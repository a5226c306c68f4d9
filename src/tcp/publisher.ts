import type { Publisher, TransportConnection } from "../transport/connection.js";

const newline = 0x0a;

/** Whom a publication goes to. */
export interface Recipient extends TransportConnection {
  /** Sends what is shared with others. @returns whether it was accepted. */
  sendShared(part: Uint8Array): boolean;
}

/** One copy for all. */
export const publisher: Publisher = {
  publish(connections, head, payload) {
    const part = joinParts(head, payload, connections[0]?.carriesFrames === false);
    let accepted = 0;
    for (const connection of connections as readonly Recipient[]) {
      if (connection.sendShared(part)) accepted += 1;
    }
    return accepted;
  },
};

/** Copies what is sent, which the caller keeps. */
export function joinParts(head: Uint8Array, payload: Uint8Array, isLine: boolean): Uint8Array {
  const needsNewline = isLine && (payload.at(-1) ?? head.at(-1)) !== newline;
  const bytes = head.length + payload.length;
  const part = Buffer.allocUnsafe(needsNewline ? bytes + 1 : bytes);
  part.set(head);
  part.set(payload, head.length);
  if (needsNewline) part[bytes] = newline;
  return part;
}
