import type { Socket } from "node:net";

/**
 * Ends a TCP connection by a reset. Behind this side's last byte there is none any more: node:net would fail to, never
 * say that it closed, and keep the process from ending.
 */
export function resetSocket(socket: Socket): void {
  if (socket.writableEnded) socket.destroy();
  else socket.resetAndDestroy();
}
