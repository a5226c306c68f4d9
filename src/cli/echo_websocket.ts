import type { CloseInfo, SendResult } from "../index.js";
import type { WebSocketBehaviour, WebSocketConnection } from "../websocket/index.js";
import type { EchoConnections } from "./echo_connections.js";

/** Sends each message back as it came: text as text, binary as binary. */
export class WebSocketEcho implements WebSocketBehaviour {
  readonly #connections: EchoConnections;

  constructor(connections: EchoConnections) {
    this.#connections = connections;
  }

  open(connection: WebSocketConnection): void {
    this.#connections.opened(connection);
  }

  frame(connection: WebSocketConnection, message: Uint8Array): void {
    this.#echoed(connection, connection.send(message));
  }

  text(connection: WebSocketConnection, text: Uint8Array): void {
    this.#echoed(connection, connection.sendText(text));
  }

  drain(connection: WebSocketConnection): void {
    connection.resume();
  }

  close(connection: WebSocketConnection, info: CloseInfo): void {
    this.#connections.closed(connection, info, connection.wireCloseCode);
  }

  #echoed(connection: WebSocketConnection, result: SendResult): void {
    if (result !== "sent") connection.pause();
  }
}
