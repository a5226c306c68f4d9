import type { ServerCredential } from "../transport/credential.js";
import type { TransportListener, TransportListenOptions } from "../transport/transport.js";
import type { WebSocketBehaviour } from "./behaviour.js";

/** What a server library needs to listen. */
export interface ServerRequest {
  readonly options: TransportListenOptions;
  /** The URL's host, resolved. */
  readonly address: string;
  /** Set for wss, which not every library can serve. */
  readonly credential: ServerCredential | undefined;
  readonly behaviour: WebSocketBehaviour;
}

/** A bound server. */
export interface Server {
  readonly port: number;
  readonly connectionCount: number;
  /** Missing where there is no TLS. */
  readonly updateTls?: TransportListener["updateTls"];
  /** Stops accepting and frees the port; open connections stay. */
  close(): void;
}

/** One of the libraries that can serve WebSocket. */
export interface ServerLibrary {
  /** Whether several threads can listen on one port, each in its own server. */
  readonly sharesPorts: boolean;
  listen(request: ServerRequest): Promise<Server>;
}
