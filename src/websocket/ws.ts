import {
  createServer as createHttpServer,
  type IncomingMessage,
  type ServerResponse,
  STATUS_CODES,
} from "node:http";
import { createServer as createHttpsServer } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import type { Duplex } from "node:stream";
import { WebSocketServer } from "ws";
import { bindServer } from "../transport/bind.js";
import type { HttpHandler } from "../transport/http.js";
import { WebSocketContext } from "./context.js";
import { negotiate, type Refusal } from "./handshake.js";
import { respond } from "./http_answer.js";
import type { Server, ServerLibrary, ServerRequest } from "./server.js";
import { WsConnection } from "./ws_connection.js";

/** Serves WebSocket by the ws package over node:http. */
export const wsLibrary: ServerLibrary = {
  async listen(request: ServerRequest): Promise<Server> {
    const { options, behaviour } = request;
    const context = new WebSocketContext(options, behaviour, false);
    const server = createServer(request);
    server.on("request", (http, response) => answerHttp(options.http, http, response));
    server.on("upgrade", upgradeHandler(request, context));
    await bindServer(server, request.address, options.url.port);
    // A failed accept (too many open files) concerns one client, not the server.
    server.on("error", (error) => process.emitWarning(error));
    return new WsServer(server, context);
  },
};

type HttpServer = ReturnType<typeof createHttpServer> | ReturnType<typeof createHttpsServer>;

function createServer({ options, credential }: ServerRequest): HttpServer {
  const { handshakeTimeoutMs } = options;
  const deadlines = {
    headersTimeout: handshakeTimeoutMs,
    requestTimeout: handshakeTimeoutMs,
    connectionsCheckingInterval: Math.ceil(handshakeTimeoutMs / 4),
  };
  if (credential === undefined) return createHttpServer(deadlines);
  return createHttpsServer({
    ...deadlines,
    handshakeTimeout: handshakeTimeoutMs,
    cert: credential.certificatePem,
    key: credential.privateKeyPem,
  });
}

function upgradeHandler(
  { options }: ServerRequest,
  context: WebSocketContext,
): (request: IncomingMessage, tcp: Duplex, head: Buffer) => void {
  const wanted = { path: options.url.path, protocols: options.protocols };
  let chosen = "";
  const sockets = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: options.maxFrameBytes,
    // Called from inside handleUpgrade, for the request that was negotiated just before.
    handleProtocols: () => chosen || false,
  });
  return (request, tcp, head) => {
    const offered = request.headers["sec-websocket-protocol"] ?? "";
    const answer = negotiate(wanted, request.url ?? "/", offered);
    if (typeof answer !== "string") {
      refuse(tcp, answer);
      return;
    }
    chosen = answer;
    sockets.handleUpgrade(request, tcp, head, (socket) => {
      context.behaviour.open(new WsConnection(context, socket, tcp as Socket, true));
    });
  };
}

function refuse(tcp: Duplex, { status, headers, body }: Refusal): void {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  tcp.on("error", () => tcp.destroy());
  tcp.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nconnection: close\r\n` +
      `content-length: ${Buffer.byteLength(body)}\r\n${lines.join("")}\r\n${body}`,
  );
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
  readonly #context: WebSocketContext;

  constructor(server: HttpServer, context: WebSocketContext) {
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
