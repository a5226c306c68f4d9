import type { CloseInfo } from "../transport/close.js";
import type { SendResult, TransportConnection } from "../transport/connection.js";

/** A transport connection with what only WebSocket has. */
export interface WebSocketConnection extends TransportConnection {
  /**
   * The close code on the wire (RFC 6455 section 7.4): 0 while open, 1005 for a close frame without one, 1006
   * for a connection that ended without a close frame.
   */
  readonly wireCloseCode: number;
  /** Queues a text message, given as UTF-8, by the rules of `send`. @throws InvalidArgumentError for other bytes */
  sendText(text: Uint8Array): SendResult;
}

/**
 * A transport behaviour that may take text messages too; one object serves all connections of a listener. What a handler
 * throws becomes an uncaught exception; the connection goes on.
 */
export interface WebSocketBehaviour {
  /** A peer has connected. */
  open?(connection: WebSocketConnection): void;
  /**
   * A binary message, valid during the call only. Where this is missing, a peer that sends one is closed with
   * `protocolViolation`.
   */
  frame?(connection: WebSocketConnection, frame: Uint8Array): void;
  /** A text message, as UTF-8 that is valid during the call only; where this is missing, as `frame`. */
  text?: ((connection: WebSocketConnection, text: Uint8Array) => void) | undefined;
  /** The queue, once at or above the high-water mark, is below half of it again. */
  drain?(connection: WebSocketConnection): void;
  /** The last call for this connection. */
  close?(connection: WebSocketConnection, info: CloseInfo): void;
}
