import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { WebSocket } from "ws";
import {
  HandshakeFailedError,
  InvalidArgumentError,
  type MillraceError,
  ProtocolMismatchError,
} from "../errors.js";
import { formatHost } from "../transport/address.js";
import { connectError, connectTimedOut } from "../transport/connect_error.js";
import { type ClientCredential, loadClientCredential } from "../transport/credential.js";
import { nodeClientTls } from "../transport/node_tls.js";
import type { TransportConnectOptions } from "../transport/transport.js";
import { abortedError, throwIfAborted } from "../transport/wait.js";
import type { WebSocketBehaviour } from "./behaviour.js";
import { WebSocketContext } from "./context.js";
import { refuseUnsupportedTls } from "./tls.js";
import { WsConnection } from "./ws_connection.js";

/** Opens a WebSocket. @see Transport.connect */
export async function connect(
  options: TransportConnectOptions,
  behaviour: WebSocketBehaviour,
): Promise<WsConnection> {
  const isSecure = options.url.scheme === "wss";
  if (isSecure) refuseUnsupportedTls(options.tls);
  const credential = isSecure ? await loadClientCredential(options.tls, options.url.host) : undefined;
  throwIfAborted("connecting", options.signal);
  return new Promise((resolve, reject) => {
    new Handshake(options, createSocket(options, credential), behaviour, resolve, reject);
  });
}

/** The opening handshake, from the socket's creation until it is a connection or an error. */
class Handshake {
  readonly #options: TransportConnectOptions;
  readonly #socket: WebSocket;
  readonly #reject: (error: MillraceError) => void;
  readonly #timer: NodeJS.Timeout;
  readonly #onAbort = (): void => this.#fail(abortedError("connecting", this.#options.signal));
  #tcp: Socket | undefined;

  constructor(
    options: TransportConnectOptions,
    socket: WebSocket,
    behaviour: WebSocketBehaviour,
    resolve: (connection: WsConnection) => void,
    reject: (error: MillraceError) => void,
  ) {
    this.#options = options;
    this.#socket = socket;
    this.#reject = reject;
    const { handshakeTimeoutMs, signal } = options;
    this.#timer = setTimeout(
      () => this.#fail(connectTimedOut(where(options), handshakeTimeoutMs)),
      handshakeTimeoutMs,
    );
    signal?.addEventListener("abort", this.#onAbort);
    socket.on("error", (cause) => this.#fail(connectError(cause, where(options))));
    socket.on("unexpected-response", (_request, response) => {
      this.#fail(refusalError(response, options));
    });
    socket.on("upgrade", (response) => {
      this.#tcp = response.socket;
      this.#checkProtocol(response.headers["sec-websocket-protocol"]);
    });
    socket.on("open", () => {
      this.#end();
      const context = new WebSocketContext(options, behaviour, false);
      const connection = new WsConnection(context, socket, this.#tcp!, false);
      resolve(connection);
      // Whoever awaits the connection attaches first; then its frames flow.
      setImmediate(() => connection.start());
    });
  }

  #checkProtocol(chosen: string | undefined): void {
    const { protocols } = this.#options;
    const matches = chosen === undefined ? protocols.length === 0 : protocols.includes(chosen);
    if (matches) return;
    const what = chosen === undefined ? "none" : `"${chosen}"`;
    this.#fail(
      new ProtocolMismatchError(`${where(this.#options)} chose subprotocol ${what}, not ${list(protocols)}`),
    );
  }

  #fail(error: MillraceError): void {
    this.#end();
    this.#reject(error);
    // ws reports the end of an unfinished handshake as one more error.
    this.#socket.on("error", () => {});
    this.#socket.terminate();
  }

  #end(): void {
    clearTimeout(this.#timer);
    this.#options.signal?.removeEventListener("abort", this.#onAbort);
    this.#socket.removeAllListeners();
  }
}

function createSocket(
  { url, protocols, maxFrameBytes }: TransportConnectOptions,
  credential?: ClientCredential,
): WebSocket {
  const host = formatHost(url.host);
  try {
    return new WebSocket(`${url.scheme}://${host}:${url.port}${url.path}`, [...protocols], {
      maxPayload: maxFrameBytes,
      perMessageDeflate: false,
      ...(credential && nodeClientTls(credential)),
    });
  } catch (cause) {
    throw new InvalidArgumentError(
      `${url.scheme}://${host}:${url.port}${url.path}: ${(cause as Error).message}`,
      {
        cause,
      },
    );
  }
}

function where({ url }: TransportConnectOptions): string {
  return `${url.scheme}://${url.host}:${url.port}`;
}

function list(protocols: readonly string[]): string {
  return protocols.length === 0 ? "none" : protocols.map((protocol) => `"${protocol}"`).join(", ");
}

/** The server answered with plain HTTP. A millrace server that refuses a subprotocol names those it has. */
function refusalError(response: IncomingMessage, options: TransportConnectOptions): MillraceError {
  const status = response.statusCode ?? 0;
  const served = response.headers["sec-websocket-protocol"];
  if (status === 400 && (served !== undefined || options.protocols.length > 0)) {
    const offered = `${where(options)} refuses the subprotocols offered (${list(options.protocols)})`;
    return new ProtocolMismatchError(served === undefined ? offered : `${offered}; it speaks ${served}`);
  }
  return new HandshakeFailedError(
    `${where(options)} answered HTTP ${status} instead of a WebSocket; check the URL's path "${options.url.path}"`,
  );
}
