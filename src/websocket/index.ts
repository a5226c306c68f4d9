/**
 * The WebSocket transport, and plain WebSocket messages without millrace's frames.
 * @module millrace/websocket
 */
export type { WebSocketBehaviour, WebSocketConnection } from "./behaviour.js";
export {
  connect,
  listen,
  type WebSocketConnectOptions,
  type WebSocketListenOptions,
  type WebSocketOptions,
} from "./raw.js";
export { type WebSocketTransport, webSocketTransport } from "./transport.js";
