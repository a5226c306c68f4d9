import type { Socket } from "node:net";

/** Linux takes no longer one (tcp(7), TCP_KEEPIDLE). */
const maxKeepAliveMs = 32_767_000;

/**
 * Lets the operating system ask a silent peer's whether it is there: after half of the idle timeout, then (libuv's choice)
 * ten times, a second apart. On lines that is all the liveness there is: who types by hand answers no pings.
 */
export function keepAlive(socket: Socket, idleTimeoutMs: number): void {
  if (idleTimeoutMs === 0) return;
  socket.setKeepAlive(true, Math.min(maxKeepAliveMs, Math.max(1_000, idleTimeoutMs / 2)));
}
