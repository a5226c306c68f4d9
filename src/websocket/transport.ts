import { InvalidArgumentError } from "../errors.js";
import { formatHost, type SocketAddress } from "../transport/address.js";
import { loadServerCredential, type ServerCredential } from "../transport/credential.js";
import { checkDestination, resolveLocal } from "../transport/reachable.js";
import { socketAddress } from "../transport/socket_address.js";
import type {
  Transport,
  TransportConnectOptions,
  TransportListener,
  TransportListenOptions,
} from "../transport/transport.js";
import type { WebSocketBehaviour, WebSocketConnection } from "./behaviour.js";
import { connect } from "./client.js";
import { assertNoFrameTimeout, subprotocols } from "./connect_options.js";
import { serverLibrary } from "./library.js";
import type { Server } from "./server.js";

/** A {@link Transport} whose behaviours may take text messages too. */
export interface WebSocketTransport extends Transport {
  /** As {@link Transport.listen}, for text messages too. */
  listen(options: TransportListenOptions, behaviour: WebSocketBehaviour): Promise<TransportListener>;
  connect(options: TransportConnectOptions, behaviour: WebSocketBehaviour): Promise<WebSocketConnection>;
}

/**
 * WebSocket (RFC 6455): one binary message is one frame. permessage-deflate is negotiated where both sides are told to. A server's
 * handshake timeout depends on its library: ws keeps `handshakeTimeoutMs`, uWebSockets.js 10 s.
 */
export const webSocketTransport: WebSocketTransport = {
  name: "websocket",
  schemes: ["ws", "wss"],
  sharesPort: async (scheme) => (await serverLibrary(scheme)).sharesPorts,
  listen,
  async connect(options, behaviour) {
    assertNoFrameTimeout(options);
    checkDestination(options.url);
    return connect({ ...options, protocols: subprotocols(options.protocols) }, behaviour);
  },
};

async function listen(
  given: TransportListenOptions,
  behaviour: WebSocketBehaviour,
): Promise<TransportListener> {
  assertNoFrameTimeout(given);
  const options = { ...given, protocols: subprotocols(given.protocols) };
  const [library, [address], credential] = await Promise.all([
    serverLibrary(options.url.scheme),
    resolveLocal(options.url.host),
    serverCredential(options),
  ]);
  const server = await library.listen({ options, address, credential, behaviour });
  return new WebSocketListener(server, options, address);
}

async function serverCredential({ url, tls }: TransportListenOptions): Promise<ServerCredential | undefined> {
  if (url.scheme === "ws") return undefined;
  if (tls !== undefined) return loadServerCredential(tls);
  throw new InvalidArgumentError(
    `wss://${url.host}:${url.port} needs options.tls with certificate and privateKey`,
  );
}

class WebSocketListener implements TransportListener {
  readonly transport = "websocket";
  readonly address: SocketAddress;
  readonly url: string;
  readonly updateTls: TransportListener["updateTls"];
  readonly #server: Server;

  constructor(server: Server, { url }: TransportListenOptions, address: string) {
    this.#server = server;
    this.updateTls = server.updateTls;
    this.address = socketAddress(address, server.port);
    this.url = `${url.scheme}://${formatHost(url.host)}:${server.port}${url.path}`;
  }

  get connectionCount(): number {
    return this.#server.connectionCount;
  }

  close(): Promise<void> {
    this.#server.close();
    return Promise.resolve();
  }
}
