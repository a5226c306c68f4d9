import type { X509Certificate } from "node:crypto";
import type { ClientRequest, IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { WebSocket } from "ws";
import {
  CertificateRequiredError,
  HandshakeFailedError,
  InvalidArgumentError,
  type MillraceError,
  ProtocolMismatchError,
  ResourceExhaustedError,
} from "../errors.js";
import { watchAbort } from "../transport/abort_watch.js";
import { formatHost } from "../transport/address.js";
import { connectError, connectTimedOut } from "../transport/connect_error.js";
import { type ClientCredential, loadClientCredential } from "../transport/credential.js";
import { keyLogger, nodeClientTls, peerCertificate } from "../transport/node_tls.js";
import { pinError } from "../transport/pins.js";
import type { TransportConnectOptions } from "../transport/transport.js";
import { abortedError, throwIfAborted } from "../transport/wait.js";
import type { WebSocketBehaviour } from "./behaviour.js";
import { WebSocketContext } from "./context.js";
import { deflate } from "./permessage_deflate.js";
import { WsConnection } from "./ws_connection.js";

/** Opens a WebSocket. @see Transport.connect */
export async function connect(
  options: TransportConnectOptions,
  behaviour: WebSocketBehaviour,
): Promise<WsConnection> {
  const isSecure = options.url.scheme === "wss";
  const credential = isSecure ? await loadClientCredential(options.tls, options.url.host) : undefined;
  throwIfAborted("connecting", options.signal);
  return new Promise((resolve, reject) => {
    new Handshake(options, credential, behaviour, resolve, reject);
  });
}

/** The opening handshake, from the socket's creation until it is a connection or an error. */
class Handshake {
  readonly #options: TransportConnectOptions;
  readonly #socket: WebSocket;
  readonly #reject: (error: MillraceError) => void;
  readonly #timer: NodeJS.Timeout;
  /** Ends the watch of the signal. */
  readonly #unwatch: () => void;
  #tcp: Socket | undefined;
  /** TLS is done, as far as a client can tell. */
  #secure = false;

  constructor(
    options: TransportConnectOptions,
    credential: ClientCredential | undefined,
    behaviour: WebSocketBehaviour,
    resolve: (connection: WsConnection) => void,
    reject: (error: MillraceError) => void,
  ) {
    this.#options = options;
    const socket = createSocket(options, credential, (certificate) => {
      this.#secure = true;
      const error = pinError(credential?.pins, certificate, where(options));
      if (error !== undefined) this.#fail(error);
    });
    this.#socket = socket;
    this.#reject = reject;
    const { handshakeTimeoutMs, signal } = options;
    this.#timer = setTimeout(
      () => this.#fail(connectTimedOut(where(options), handshakeTimeoutMs)),
      handshakeTimeoutMs,
    );
    this.#unwatch = watchAbort(signal, () => this.#fail(abortedError("connecting", signal)));
    socket.on("error", (cause) => this.#fail(this.#errorOf(cause, credential)));
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
      const opening = { protocol: socket.protocol, origin: undefined, path: options.url.path };
      const connection = new WsConnection(context, socket, this.#tcp!, opening, false);
      resolve(connection);
      // Whoever awaits the connection attaches first; then its frames flow.
      setImmediate(() => connection.start());
    });
  }

  /** In TLS 1.3 a client is done before the server has seen its certificate. */
  #errorOf(cause: NodeJS.ErrnoException, credential: ClientCredential | undefined): MillraceError {
    const isCut = cause.code === "ECONNRESET" || cause.code === "EPIPE";
    if (isCut && !this.#secure) {
      const what = "ended the connection before the handshake did; if it speaks TLS, connect by wss://";
      return new HandshakeFailedError(`${where(this.#options)} ${what}`, { cause });
    }
    if (!isCut || credential?.identity === undefined) return connectError(cause, where(this.#options));
    return new CertificateRequiredError(
      `${where(this.#options)} ended the connection when it had seen this side's certificate; ask its operator for one`,
      { cause },
    );
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
    this.#unwatch();
    this.#socket.removeAllListeners();
  }
}

function createSocket(
  { url, protocols, maxFrameBytes, permessageDeflate }: TransportConnectOptions,
  credential: ClientCredential | undefined,
  onSecure: (certificate: X509Certificate | undefined) => void,
): WebSocket {
  const host = formatHost(url.host);
  try {
    return new WebSocket(`${url.scheme}://${host}:${url.port}${url.path}`, [...protocols], {
      maxPayload: maxFrameBytes,
      perMessageDeflate: deflate(permessageDeflate),
      ...(credential && nodeClientTls(credential)),
      ...(credential && { finishRequest: watchTls(credential, onSecure) }),
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

/** Between the making of a request and its sending there is a socket, whose handshake has not begun. */
function watchTls(
  { keyLogFile }: ClientCredential,
  onSecure: (certificate: X509Certificate | undefined) => void,
): (request: ClientRequest) => void {
  return (request) => {
    request.once("socket", (socket) => {
      socket.once("secureConnect", () => onSecure(peerCertificate(socket)));
      if (keyLogFile !== undefined) socket.on("keylog", keyLogger(keyLogFile));
    });
    request.end();
  };
}

function where({ url }: TransportConnectOptions): string {
  return `${url.scheme}://${formatHost(url.host)}:${url.port}`;
}

function list(protocols: readonly string[]): string {
  return protocols.length === 0 ? "none" : protocols.map((protocol) => `"${protocol}"`).join(", ");
}

/** The server answered with plain HTTP. A millrace server that refuses a subprotocol names those it has. */
function refusalError(response: IncomingMessage, options: TransportConnectOptions): MillraceError {
  const status = response.statusCode ?? 0;
  if (status === 503 || status === 429) {
    const what = `${where(options)} has no room for this connection now (HTTP ${status})`;
    return new ResourceExhaustedError(what);
  }
  const served = response.headers["sec-websocket-protocol"];
  if (status === 400 && (served !== undefined || options.protocols.length > 0)) {
    const offered = `${where(options)} refuses the subprotocols offered (${list(options.protocols)})`;
    return new ProtocolMismatchError(served === undefined ? offered : `${offered}; it speaks ${served}`);
  }
  return new HandshakeFailedError(
    `${where(options)} answered HTTP ${status} instead of a WebSocket; check the URL's path "${options.url.path}"`,
  );
}
