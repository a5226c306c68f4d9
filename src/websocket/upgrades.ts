import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { WebSocketServer } from "ws";
import { socketAddress } from "../transport/socket_address.js";
import { negotiate, noRoom, type Refusal, statusLine } from "./handshake.js";
import { deflate } from "./permessage_deflate.js";
import type { ServerRequest } from "./server.js";
import type { ServerContext } from "./server_context.js";
import { WsConnection } from "./ws_connection.js";

/** The upgrade requests of one server by the ws package: each becomes a connection, or is refused. */
export class Upgrades {
  readonly #context: ServerContext;
  /** Whether the admission has been asked when the connection was accepted, and watches it. */
  readonly #isGuarded: boolean;
  readonly #sockets: WebSocketServer;
  /** The subprotocol of the request that is being taken. */
  #chosen = "";

  constructor({ options, credential }: ServerRequest, context: ServerContext) {
    this.#context = context;
    this.#isGuarded = credential !== undefined;
    this.#sockets = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      perMessageDeflate: deflate(options.permessageDeflate),
      maxPayload: options.maxFrameBytes,
      handleProtocols: () => this.#chosen || false,
    });
  }

  take(request: IncomingMessage, tcp: Socket, head: Buffer): void {
    const { wanted, admission } = this.#context;
    const { remoteAddress, remotePort = 0 } = tcp;
    if (remoteAddress === undefined) {
      tcp.destroy(); // who it was is not known any more, so it is gone
      return;
    }
    const { "sec-websocket-protocol": protocols = "", origin = "" } = request.headers;
    const protocol = negotiate(wanted, { path: pathOf(request), protocols, origin });
    if (typeof protocol !== "string") {
      refuse(tcp, protocol);
      return;
    }
    this.#chosen = protocol;
    const address = socketAddress(remoteAddress, remotePort);
    if (this.#isGuarded) this.#open(request, tcp, head);
    else if (!admission.admits(address)) refuse(tcp, noRoom);
    else if (!this.#open(request, tcp, head)) admission.abandon(address);
  }

  /** @returns whether there is a connection now; ws has answered that this is no WebSocket otherwise. */
  #open(request: IncomingMessage, tcp: Socket, head: Buffer): boolean {
    const { admission, openings } = this.#context;
    let opened = false;
    this.#sockets.handleUpgrade(request, tcp, head, (socket) => {
      opened = true; // called back before handleUpgrade returns
      admission.opened(tcp);
      const opening = openings.of(this.#chosen, request.headers.origin ?? "", pathOf(request));
      new WsConnection(this.#context, socket, tcp, opening, true).tellOpen();
    });
    return opened;
  }
}

function pathOf(request: IncomingMessage): string {
  return request.url ?? "/";
}

function refuse(tcp: Socket, { status, headers, body }: Refusal): void {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  tcp.on("error", () => tcp.destroy());
  tcp.end(
    `HTTP/1.1 ${statusLine(status)}\r\nconnection: close\r\n` +
      `content-length: ${Buffer.byteLength(body)}\r\n${lines.join("")}\r\n${body}`,
  );
}
