/**
 * `millrace/websocket`: the WebSocket transport, and plain WebSocket messages without millrace's frames.
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
