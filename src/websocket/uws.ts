import * as uws from "uWebSockets.js";
import { isMainThread } from "node:worker_threads";
import { AddressInUseError } from "../errors.js";
import type { SocketAddress } from "../transport/address.js";
import { probePort } from "../transport/bind.js";
import type { HttpHandler } from "../transport/http.js";
import { socketAddress } from "../transport/socket_address.js";
import type { TransportListenOptions } from "../transport/transport.js";
import type { WebSocketContext } from "./context.js";
import { negotiate, noRoom, type Refusal, statusLine } from "./handshake.js";
import { endsWithHeaders, respond } from "./http_answer.js";
import type { Server, ServerLibrary, ServerRequest } from "./server.js";
import { ServerContext } from "./server_context.js";
import { UwsConnection, type UwsUserData } from "./uws_connection.js";

/** The idle timeouts uWebSockets.js takes; Liveness does the others. */
const minIdleSeconds = 8;
const maxIdleSeconds = 960;

/**
 * How much more than `maxFrameBytes` the library is told to take. It cuts a connection that exceeds its limit
 * without a close frame, so that the peer would not learn why; messages up to this factor are refused by
 * ourselves, with code 1009. It bounds what a hostile peer can make the server hold.
 */
const oversizeFactor = 4;

/** What the library exports and its types leave out: one window for all connections and each direction. */
const { SHARED_COMPRESSOR, SHARED_DECOMPRESSOR } = uws as unknown as Readonly<Record<string, number>>;
const sharedDeflate = SHARED_COMPRESSOR! | SHARED_DECOMPRESSOR!;

/** Another process may take a port between probing and binding it. */
const bindAttempts = 3;

/** Serves WebSocket without TLS by uWebSockets.js. Importing this module throws where it has no binary. */
export const uwsLibrary: ServerLibrary = {
  sharesPorts: true,

  async listen(request: ServerRequest): Promise<Server> {
    const { options, behaviour } = request;
    const idleTimeout = libraryIdleSeconds(options.idleTimeoutMs);
    const context = new ServerContext(options, behaviour, idleTimeout > 0);
    const app = uws.App();
    closeAtExit(app);
    app.any("/*", (response, http) => answerHttp(options.http, response, http));
    const { listenSocket, port } = await bind(app, request.address, options);
    // Routes added after binding, so that connections can know the port; no request is read before this returns.
    app.ws("/*", {
      ...connectionHandlers,
      upgrade: upgradeHandler(context, socketAddress(request.address, port)),
      idleTimeout,
      sendPingsAutomatically: idleTimeout > 0,
      maxPayloadLength: Math.min(options.maxFrameBytes * oversizeFactor, 0x7fffffff),
      compression: options.permessageDeflate ? sharedDeflate : 0,
      maxBackpressure: 0, // no limit: the connection's high-water mark is one
    });
    return new UwsServer(listenSocket, port, context);
  },
};

const apps: uws.TemplatedApp[] = [];

/**
 * A worker thread that ends with sockets of uWebSockets.js takes the process with it: Node finds handles in its event loop
 * that nobody closes. So a thread that exits or throws closes them first; one that is terminated from outside cannot.
 */
function closeAtExit(app: uws.TemplatedApp): void {
  if (isMainThread) return;
  if (apps.length === 0) process.once("exit", closeAll);
  apps.push(app);
}

function closeAll(): void {
  for (const app of apps) app.close();
}

/** The same for every connection; the user data leads to the connection object. */
const connectionHandlers: uws.WebSocketBehavior<UwsUserData> = {
  open: (socket) => socket.getUserData().connection.onOpen(socket),
  // The library lays the user data's fields on the socket itself: reading one is much cheaper than getUserData.
  message: (socket, message, binary) =>
    (socket as unknown as UwsUserData).connection.onMessage(message, binary),
  drain: (socket) => socket.getUserData().connection.onDrain(),
  ping: (socket) => socket.getUserData().connection.onPing(),
  pong: (socket) => socket.getUserData().connection.onHeard(),
  close: (socket, code, message) => socket.getUserData().connection.onClose(code, message),
};

function upgradeHandler(
  context: ServerContext,
  localAddress: SocketAddress,
): NonNullable<uws.WebSocketBehavior<UwsUserData>["upgrade"]> {
  const { wanted, admission, openings } = context;
  return (response, request, socketContext) => {
    const path = fullPath(request);
    const origin = request.getHeader("origin");
    const protocol = negotiate(wanted, {
      path,
      protocols: request.getHeader("sec-websocket-protocol"),
      origin,
    });
    if (typeof protocol !== "string") {
      refuse(response, protocol);
      return;
    }
    const address = remoteAddress(response);
    if (!admission.admits(address)) {
      refuse(response, noRoom);
      return;
    }
    const opening = openings.of(protocol, origin, path);
    const connection = new UwsConnection(context, opening, localAddress, address);
    const key = request.getHeader("sec-websocket-key");
    const deflates = context.deflatedFromBytes < Number.POSITIVE_INFINITY;
    const extensions = deflates ? request.getHeader("sec-websocket-extensions") : ""; // the library takes one at most
    response.upgrade<UwsUserData>({ connection }, key, protocol, extensions, socketContext); // calls `open`
  };
}

/** Newer builds of uWebSockets.js tell the peer's port; 20.49, the last one for Node 20, does not. */
interface ResponseWithPort {
  getRemotePort?(): number;
}

function remoteAddress(response: uws.HttpResponse): SocketAddress {
  const host = Buffer.from(response.getRemoteAddressAsText()).toString("latin1");
  return socketAddress(host, (response as ResponseWithPort).getRemotePort?.() ?? 0);
}

function libraryIdleSeconds(idleTimeoutMs: number): number {
  const seconds = Math.ceil(idleTimeoutMs / 1000);
  return seconds >= minIdleSeconds && seconds <= maxIdleSeconds ? seconds : 0;
}

/** What the library has and its types lack. */
interface ListenFlags {
  readonly LIBUS_LISTEN_EXCLUSIVE_PORT: number;
}

/** LIBUS_LISTEN_DEFAULT, which it does not export: with SO_REUSEPORT. */
const sharedPort = 0;

interface ExclusiveListen {
  listen(
    host: string,
    port: number,
    options: number,
    onListen: (listenSocket: uws.us_listen_socket | false) => void,
  ): void;
}

/**
 * Listens, or says why not; the library itself only answers yes or no. It is never asked for port 0: it would
 * leave out SO_REUSEADDR, and nobody could listen on that port again for a minute after the last connection.
 */
async function bind(
  app: uws.TemplatedApp,
  address: string,
  { url, reusePort = false }: Pick<TransportListenOptions, "url" | "reusePort">,
): Promise<{ listenSocket: uws.us_listen_socket; port: number }> {
  const exclusivePort = (uws as unknown as ListenFlags).LIBUS_LISTEN_EXCLUSIVE_PORT;
  const flags = reusePort ? sharedPort : exclusivePort;
  const { listen } = app as unknown as ExclusiveListen;
  for (let attempt = 0; attempt < bindAttempts; attempt++) {
    // A port that is shared is taken already, by others, and the probe may not share it: it is for what then fails.
    const isShared = reusePort && url.port !== 0 && attempt === 0;
    const port = isShared ? url.port : await probePort(address, url.port);
    let bound: uws.us_listen_socket | false = false;
    listen.call(app, address, port, flags, (listenSocket) => {
      bound = listenSocket; // called before listen() returns
    });
    if (bound !== false) return { listenSocket: bound, port };
  }
  throw new AddressInUseError(`TCP ${address}:${url.port} is taken as soon as it is free; take another port`);
}

function answerHttp(
  handler: HttpHandler | undefined,
  response: uws.HttpResponse,
  request: uws.HttpRequest,
): void {
  const method = request.getCaseSensitiveMethod();
  const { status, headers, body } = respond(handler, { method, path: fullPath(request) });
  response.writeStatus(statusLine(status));
  for (const [name, value] of Object.entries(headers)) response.writeHeader(name, value);
  if (endsWithHeaders(status)) {
    response.endWithoutBody();
  } else if (method === "HEAD") {
    response.writeHeader("content-length", `${Buffer.byteLength(body)}`).endWithoutBody();
  } else {
    response.end(body);
  }
}

function refuse(response: uws.HttpResponse, { status, headers, body }: Refusal): void {
  response.writeStatus(statusLine(status));
  for (const [name, value] of Object.entries(headers)) response.writeHeader(name, value);
  response.end(body, true);
}

function fullPath(request: uws.HttpRequest): string {
  const query: string | undefined = request.getQuery(); // undefined without "?", though its types say ""
  return query === undefined ? request.getUrl() : `${request.getUrl()}?${query}`;
}

class UwsServer implements Server {
  readonly port: number;
  readonly #context: WebSocketContext;
  #listenSocket: uws.us_listen_socket | undefined;

  constructor(listenSocket: uws.us_listen_socket, port: number, context: WebSocketContext) {
    this.#listenSocket = listenSocket;
    this.port = port;
    this.#context = context;
  }

  get connectionCount(): number {
    return this.#context.connectionCount;
  }

  close(): void {
    if (this.#listenSocket === undefined) return;
    uws.us_listen_socket_close(this.#listenSocket);
    this.#listenSocket = undefined;
  }
}
