import type { IncomingMessage } from "node:http";
import { isIP, type Socket } from "node:net";
import { WebSocket } from "ws";
import {
  HandshakeFailedError,
  InvalidArgumentError,
  type MillraceError,
  ProtocolMismatchError,
} from "../errors.js";
import { connectAborted, connectError, connectTimedOut } from "../transport/connect_error.js";
import { type ClientCredential, loadClientCredential } from "../transport/credential.js";
import type { TransportConnectOptions } from "../transport/transport.js";
import type { WebSocketBehaviour } from "./behaviour.js";
import { WebSocketContext } from "./context.js";
import { refuseQuicTls } from "./tls.js";
import { WsConnection } from "./ws_connection.js";

/** Opens a WebSocket. @see Transport.connect */
export async function connect(
  options: TransportConnectOptions,
  behaviour: WebSocketBehaviour,
): Promise<WsConnection> {
  const isSecure = options.url.scheme === "wss";
  if (isSecure) refuseQuicTls(options.tls);
  const credential = isSecure ? await loadClientCredential(options.tls, options.url.host) : undefined;
  if (options.signal?.aborted) throw connectAborted(options.signal);
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
  readonly #onAbort = (): void => this.#fail(connectAborted(this.#options.signal));
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
  const host = isIP(url.host) === 6 ? `[${url.host}]` : url.host;
  try {
    return new WebSocket(`${url.scheme}://${host}:${url.port}${url.path}`, [...protocols], {
      maxPayload: maxFrameBytes,
      perMessageDeflate: false,
      ...(credential && tlsOptions(credential)),
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

function tlsOptions({ identity, caPem, serverName, insecure }: ClientCredential) {
  return {
    ...(caPem !== undefined && { ca: caPem }),
    ...(identity !== undefined && { cert: identity.certificatePem, key: identity.privateKeyPem }),
    // SNI names hosts, never addresses (RFC 6066 section 3); a certificate's address is checked either way.
    ...(isIP(serverName) === 0 && { servername: serverName }),
    rejectUnauthorized: !insecure,
  };
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
