import { WebSocket } from "ws";

/** Gives this thread what a page in a browser has, and Node.js from 22 on. */
export function providePageSocket(): void {
  const page = globalThis as { WebSocket?: unknown };
  page.WebSocket ??= WebSocket;
}
