import type { Socket } from "node:net";

/** What has something to write at the end of this turn of the event loop. */
export interface Flushable {
  flush(): void;
}

let waiting: Flushable[] = [];

/** What is sent during one turn leaves in one write: a system call for each message would cost more than all else. */
export function flushAtTurnEnd(flushable: Flushable): void {
  if (waiting.push(flushable) === 1) setImmediate(flushAll);
}

function flushAll(): void {
  const all = waiting;
  waiting = [];
  for (const flushable of all) flushable.flush();
}

/** So much is joined at most: beyond it, a copy costs more than a longer list of buffers. */
export const maxJoinedBytes = 64 * 1024;

/**
 * Writes all parts by one system call.
 * @param parts at least one; nobody writes to them any more.
 * @param bytes of all of them.
 * @param written called when the operating system has taken the last one.
 */
export function writeParts(
  socket: Socket,
  parts: readonly Uint8Array[],
  bytes: number,
  written: ((error?: Error | null) => void) | undefined,
): void {
  if (parts.length === 1 || bytes <= maxJoinedBytes) {
    socket.write(parts.length === 1 ? parts[0]! : Buffer.concat(parts, bytes), written);
    return;
  }
  const last = parts.length - 1;
  socket.cork();
  for (const part of parts.slice(0, last)) socket.write(part);
  socket.write(parts[last]!, written);
  socket.uncork();
}
