import { connect as connectTcp, type Socket } from "node:net";
import { connect as connectTls, TLSSocket } from "node:tls";
import {
  CertificateRequiredError,
  HandshakeFailedError,
  InvalidArgumentError,
  type MillraceError,
  ProtocolMismatchError,
} from "../errors.js";
import { watchAbort } from "../transport/abort_watch.js";
import { formatHost } from "../transport/address.js";
import { connectError, connectTimedOut } from "../transport/connect_error.js";
import type { TransportBehaviour } from "../transport/connection.js";
import { type ClientCredential, loadClientCredential } from "../transport/credential.js";
import { keyLogger, peerCertificate } from "../transport/node_tls.js";
import { pinError } from "../transport/pins.js";
import type { TransportConnectOptions } from "../transport/transport.js";
import { abortedError, throwIfAborted } from "../transport/wait.js";
import { TcpConnection } from "./connection.js";
import { TcpContext } from "./context.js";
import { formatHello, maxGreetingBytes, parseGreeting } from "./greeting.js";
import { clientTls } from "./tls.js";

/** Opens a TCP connection. @see Transport.connect */
export async function connect(
  options: TransportConnectOptions,
  behaviour: TransportBehaviour,
): Promise<TcpConnection> {
  const { url, tls, protocols, signal } = options;
  if (formatHello(protocols).length > maxGreetingBytes) {
    throw new InvalidArgumentError(
      `protocols are more than the ${maxGreetingBytes} bytes of a greeting hold`,
    );
  }
  const credential = url.scheme === "tls" ? await loadClientCredential(tls, url.host) : undefined;
  throwIfAborted("connecting", signal);
  const context = new TcpContext(options, behaviour);
  return new Promise((resolve, reject) => {
    new Handshake(options, context, credential, resolve, reject);
  });
}

/** From the socket's creation until the server has agreed on a protocol, or there is an error. */
class Handshake {
  readonly #options: TransportConnectOptions;
  readonly #context: TcpContext;
  readonly #credential: ClientCredential | undefined;
  readonly #target: string;
  readonly #socket: Socket;
  readonly #resolve: (connection: TcpConnection) => void;
  readonly #reject: (error: MillraceError) => void;
  readonly #timer: NodeJS.Timeout;
  /** Ends the watch of the signal. */
  readonly #unwatch: () => void;
  #answer: Buffer = Buffer.alloc(0);

  constructor(
    options: TransportConnectOptions,
    context: TcpContext,
    credential: ClientCredential | undefined,
    resolve: (connection: TcpConnection) => void,
    reject: (error: MillraceError) => void,
  ) {
    this.#options = options;
    this.#context = context;
    this.#credential = credential;
    const { url, handshakeTimeoutMs, signal } = options;
    this.#target = `${url.scheme}://${formatHost(url.host)}:${url.port}`;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#timer = setTimeout(
      () => this.#fail(connectTimedOut(this.#target, handshakeTimeoutMs)),
      handshakeTimeoutMs,
    );
    this.#unwatch = watchAbort(signal, () => this.#fail(abortedError("connecting", signal)));
    this.#socket = this.#open();
    this.#socket.on("error", (cause) => this.#fail(this.#errorOf(cause)));
    this.#socket.on("end", () => this.#fail(this.#cutOff()));
    this.#socket.on("close", () => this.#fail(this.#cutOff()));
  }

  #open(): Socket {
    const { host, port } = this.#options.url;
    const where = { host, port, allowHalfOpen: true };
    if (this.#credential === undefined) return connectTcp(where, () => this.#greet());
    const { protocols } = this.#options;
    const { pins, keyLogFile } = this.#credential;
    const socket = connectTls({ ...where, ...clientTls(this.#credential, protocols) }, () => {
      const error = pinError(pins, peerCertificate(socket), this.#target);
      if (error !== undefined) this.#fail(error);
      else if (socket.alpnProtocol) this.#begin(socket.alpnProtocol);
      else this.#greet(); // TLS may end at a proxy that knows no ALPN
    });
    if (keyLogFile !== undefined) socket.on("keylog", keyLogger(keyLogFile));
    return socket;
  }

  /** Where there is but one protocol for the server to choose, what follows goes with the greeting. */
  #greet(): void {
    const { protocols } = this.#options;
    const [only] = protocols;
    this.#socket.on("data", (chunk) => {
      this.#answer = Buffer.concat([this.#answer, chunk]);
      this.#readAnswer();
    });
    this.#say(formatHello(protocols), protocols.length === 1 ? only : undefined);
  }

  /** In TLS 1.3 a client is done before the server has seen its certificate: the first bytes say that it was taken. */
  #begin(protocol: string): void {
    this.#socket.once("data", (chunk) => this.#succeed(protocol, chunk));
    this.#say("", protocol);
  }

  #say(greeting: string, protocol: string | undefined): void {
    try {
      const opening = protocol === undefined ? undefined : this.#options.opening?.(protocol);
      if (opening !== undefined) this.#socket.write(Buffer.concat([Buffer.from(greeting), opening]));
      else if (greeting !== "") this.#socket.write(greeting);
    } catch (cause) {
      this.#fail(cause as MillraceError);
    }
  }

  #readAnswer(): void {
    const answer = parseGreeting(this.#answer);
    if (answer === undefined) return;
    if (answer === "none") {
      this.#fail(this.#foreign());
      return;
    }
    const { protocols } = this.#options;
    const [chosen] = answer.protocols;
    if (answer.agrees && chosen !== undefined && protocols.includes(chosen)) {
      this.#succeed(chosen, this.#answer.subarray(answer.bytes));
    } else {
      const spoken = `it speaks ${list(answer.protocols)}, and not ${list(protocols)}`;
      this.#fail(new ProtocolMismatchError(`${this.#target} speaks no protocol of this side: ${spoken}`));
    }
  }

  #succeed(protocol: string, rest: Buffer): void {
    this.#end();
    this.#socket.setNoDelay(true); // a turn's messages are joined already
    const connection = new TcpConnection(this.#context, this.#socket, protocol, rest);
    this.#socket.pause(); // what comes before it starts would be held here
    this.#resolve(connection);
    // Whoever awaits the connection attaches first; then its frames flow.
    setImmediate(() => connection.start());
  }

  #fail(error: MillraceError): void {
    this.#end();
    this.#reject(error);
    this.#socket?.on("error", () => {}).destroy();
  }

  #end(): void {
    clearTimeout(this.#timer);
    this.#unwatch();
    this.#socket?.removeAllListeners("data").removeAllListeners("end");
    this.#socket?.removeAllListeners("error").removeAllListeners("close");
  }

  #errorOf(cause: NodeJS.ErrnoException): MillraceError {
    const isCut = cause.code === "ECONNRESET" || cause.code === "EPIPE";
    return isCut ? this.#cutOff(cause) : connectError(cause, this.#target);
  }

  #cutOff(cause?: Error): MillraceError {
    const options = cause && { cause };
    const showed = this.#credential?.identity !== undefined;
    if (showed && this.#socket instanceof TLSSocket && this.#socket.alpnProtocol) {
      const what = "ended the connection when it had seen this side's certificate; ask its operator for one";
      return new CertificateRequiredError(`${this.#target} ${what}`, options);
    }
    const what = "ended the connection before the handshake did";
    const advice = this.#credential === undefined ? "; if it speaks TLS, connect by tls://" : "";
    return new HandshakeFailedError(`${this.#target} ${what}${advice}`, options);
  }

  /** The server speaks something else; of TLS it can be said. */
  #foreign(): MillraceError {
    const first = this.#answer[0]!;
    const isTls = first === 0x15 || first === 0x16; // an alert, a handshake (RFC 8446 section 5.1)
    const advice = isTls ? "it speaks TLS: connect by tls://" : "check the port";
    return new HandshakeFailedError(`${this.#target} does not answer as a millrace server does; ${advice}`);
  }
}

function list(protocols: readonly string[]): string {
  return protocols.length === 0 ? "others" : protocols.map((protocol) => `"${protocol}"`).join(", ");
}
