import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import { bindServer, canSharePort } from "../transport/bind.js";
import type { HttpHandler } from "../transport/http.js";
import { isRefused } from "../transport/node_tls.js";
import { ServerTls } from "../transport/server_tls.js";
import type { TransportListenOptions } from "../transport/transport.js";
import { respond } from "./http_answer.js";
import type { Server, ServerLibrary, ServerRequest } from "./server.js";
import { ServerContext } from "./server_context.js";
import { Upgrades } from "./upgrades.js";

/** Serves WebSocket by the ws package over node:http. */
export const wsLibrary: ServerLibrary = {
  get sharesPorts() {
    return canSharePort();
  },

  async listen(request: ServerRequest): Promise<Server> {
    const { options, behaviour } = request;
    const context = new ServerContext(options, behaviour, false);
    const tls = request.credential && new ServerTls(request.credential);
    const server = createServer(request.options, tls);
    // TLS costs more than all else, so it is for those only who are admitted; in the clear there is HTTP to say no by.
    if (request.credential !== undefined) context.admission.guard(server);
    server.on("request", (http, response) => answerHttp(options.http, http, response));
    const upgrades = new Upgrades(request, context);
    server.on("upgrade", (http, tcp, head) => upgrades.take(http, tcp as Socket, head));
    await bindServer(server, request.address, options.url.port, options.reusePort);
    // A failed accept (too many open files) concerns one client, not the server.
    server.on("error", (error) => process.emitWarning(error));
    return new WsServer(server, context, tls);
  },
};

type HttpServer = ReturnType<typeof createHttpServer> | ReturnType<typeof createHttpsServer>;

function createServer(options: TransportListenOptions, tls: ServerTls | undefined): HttpServer {
  const { handshakeTimeoutMs } = options;
  const deadlines = {
    headersTimeout: handshakeTimeoutMs,
    requestTimeout: handshakeTimeoutMs,
    connectionsCheckingInterval: Math.ceil(handshakeTimeoutMs / 4),
  };
  if (tls === undefined) return createHttpServer(deadlines);
  const server = createHttpsServer({ ...deadlines, ...tls.options, handshakeTimeout: handshakeTimeoutMs });
  server.on("secureConnection", (socket) => {
    if (isRefused(socket)) socket.destroy();
  });
  tls.serve(server);
  return server;
}

function answerHttp(
  handler: HttpHandler | undefined,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  request.resume(); // a body is nobody's, and must not keep the next request waiting
  const answer = respond(handler, { method: request.method ?? "GET", path: request.url ?? "/" });
  response.writeHead(answer.status, answer.headers);
  response.end(answer.body);
}

class WsServer implements Server {
  readonly port: number;
  readonly #server: HttpServer;
  readonly #context: ServerContext;
  readonly updateTls: Server["updateTls"];

  constructor(server: HttpServer, context: ServerContext, tls: ServerTls | undefined) {
    this.updateTls = tls && ((options) => tls.update(options));
    this.#server = server;
    this.#context = context;
    this.port = (server.address() as AddressInfo).port;
  }

  get connectionCount(): number {
    return this.#context.connectionCount;
  }

  close(): void {
    this.#server.close();
  }
}
