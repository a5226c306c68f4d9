import type { Socket } from "node:net";
import type { TransportOptions } from "../transport/transport.js";

/** Linux takes no longer one (tcp(7), TCP_KEEPIDLE). */
const maxKeepAliveMs = 32_767_000;

/**
 * Sends without waiting for more to send, since a turn's messages are joined already; and lets the operating system ask
 * a silent peer's whether it is there: after half of the idle timeout, then (libuv's choice) ten times, a second apart.
 * On lines that is all the liveness there is: who types by hand answers no pings.
 */
export function configureSocket(socket: Socket, { idleTimeoutMs }: TransportOptions): void {
  socket.setNoDelay(true);
  if (idleTimeoutMs === 0) return;
  socket.setKeepAlive(true, Math.min(maxKeepAliveMs, Math.max(1_000, idleTimeoutMs / 2)));
}
